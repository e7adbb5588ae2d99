//! Lines that wait for their place: a few in memory, many in a file without a name that ends with us.

use rustix::fs::{Mode, OFlags, open};
use std::{fs::File, io, os::unix::fs::FileExt as _};

/// Bytes that stay in memory.
const ROOM: usize = 4 << 20;

/// Bytes put one after the other, each to be had again by where it was put.
#[derive(Default)]
pub struct Shelf {
    /// What was put last.
    last: Vec<u8>,
    /// Bytes put before those.
    before: u64,
    /// Where they are; without one all stays in memory.
    file: Option<File>,
    refused: bool,
}

impl Shelf {
    pub fn put(&mut self, bytes: &[u8]) -> io::Result<u64> {
        if self.last.len() + bytes.len() > ROOM {
            self.clear_away()?;
        }
        let at = self.before + self.last.len() as u64;
        self.last.extend_from_slice(bytes);
        Ok(at)
    }

    /// Reads back into `bytes`, all of which were put at `at`.
    pub fn get(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        match (at.checked_sub(self.before), &self.file) {
            (None, Some(file)) => file.read_exact_at(bytes, at),
            (None, None) => Err(io::ErrorKind::NotFound.into()),
            (Some(at), _) => {
                let start = usize::try_from(at).unwrap_or(usize::MAX);
                let kept = self.last.get(start..).and_then(|b| b.get(..bytes.len()));
                bytes.copy_from_slice(kept.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }

    fn clear_away(&mut self) -> io::Result<()> {
        if self.refused {
            return Ok(());
        }
        if self.file.is_none() {
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
            let made = open(std::env::temp_dir(), flags, Mode::RUSR | Mode::WUSR);
            self.refused = made.is_err();
            self.file = made.ok().map(File::from);
        }
        let Some(file) = &self.file else {
            return Ok(());
        };
        file.write_all_at(&self.last, self.before)?;
        self.before += self.last.len() as u64;
        self.last.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_had_again() {
        let mut shelf = Shelf::default();
        let line = |i: usize| vec![u8::try_from(i % 251).unwrap(); 1000 + i % 7];
        let places: Vec<u64> = (0..9000).map(|i| shelf.put(&line(i)).unwrap()).collect();
        assert!(shelf.refused || shelf.last.len() <= ROOM);
        for (i, at) in places.iter().enumerate().rev() {
            let mut bytes = vec![0; line(i).len()];
            shelf.get(*at, &mut bytes).unwrap();
            assert_eq!(bytes, line(i));
        }
        assert!(shelf.get(u64::MAX, &mut [0]).is_err());
    }
}
