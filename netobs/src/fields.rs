//! One JSON object per line, keys in the order they are written.

use std::net::IpAddr;

/// An object under construction at the end of a buffer.
pub struct Fields<'a> {
    buf: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Fields<'a> {
    pub fn begin(buf: &'a mut Vec<u8>) -> Self {
        buf.push(b'{');
        Self { buf, first: true }
    }

    pub fn end(self) {
        self.buf.extend_from_slice(b"}\n");
    }

    fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.first {
            self.buf.push(b',');
        }
        self.first = false;
        self.buf.push(b'"');
        self.buf.extend_from_slice(key.as_bytes());
        self.buf.extend_from_slice(b"\":");
        self.buf
    }

    pub fn num(&mut self, key: &str, n: u64) {
        let mut digits = itoa::Buffer::new();
        self.key(key).extend_from_slice(digits.format(n).as_bytes());
    }

    pub fn opt(&mut self, key: &str, n: Option<u64>) {
        match n {
            Some(n) => self.num(key, n),
            None => self.null(key),
        }
    }

    /// Any text: `serde_json` escapes it.
    pub fn str(&mut self, key: &str, text: &str) {
        let buf = self.key(key);
        serde_json::to_writer(buf, text).expect("writing to memory does not fail");
    }

    pub fn opt_str(&mut self, key: &str, text: Option<&str>) {
        match text {
            Some(text) => self.str(key, text),
            None => self.null(key),
        }
    }

    /// Bytes from outside: what is no UTF-8 becomes the replacement character.
    pub fn bytes(&mut self, key: &str, bytes: &[u8]) {
        self.str(key, &String::from_utf8_lossy(bytes));
    }

    pub fn ip(&mut self, key: &str, addr: IpAddr) {
        use std::io::Write as _;
        let buf = self.key(key);
        write!(buf, "\"{addr}\"").expect("writing to memory does not fail");
    }

    pub fn opt_ip(&mut self, key: &str, addr: Option<IpAddr>) {
        match addr {
            Some(addr) => self.ip(key, addr),
            None => self.null(key),
        }
    }

    pub fn null(&mut self, key: &str) {
        self.key(key).extend_from_slice(b"null");
    }

    /// A value that serde knows.
    pub fn value(&mut self, key: &str, value: &impl serde::Serialize) {
        let buf = self.key(key);
        serde_json::to_writer(buf, value).expect("writing to memory does not fail");
    }
}
