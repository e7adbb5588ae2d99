//! Ids of classic tracepoints: from tracefs where it is mounted, else from a private mount nobody else sees.

use std::{fs, io};

const MOUNTS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

const UNREADABLE: &str = "tracefs is not readable at /sys/kernel/tracing, and looking at it elsewhere needs CAP_SYS_ADMIN";

/// The id of `category/name`.
pub fn event_id(event: &str) -> io::Result<u64> {
    read(&format!("events/{event}/id"))?
        .trim()
        .parse()
        .map_err(io::Error::other)
}

/// Places of fields in the record of `category/name`, in the order asked for.
pub fn field_offsets(event: &str, fields: &[&str]) -> io::Result<Vec<u32>> {
    let text = read(&format!("events/{event}/format"))?;
    let missing = |field: &&str| io::Error::other(format!("{event} has no field {field}"));
    fields
        .iter()
        .map(|field| offset_in(&text, field).ok_or_else(|| missing(field)))
        .collect()
}

/// From a line as `field:__u8 saddr[4]; offset:32; size:4; signed:0;`.
fn offset_in(format: &str, field: &str) -> Option<u32> {
    format.lines().find_map(|line| {
        let mut parts = line.trim().split(';').map(str::trim);
        let declared = parts.next()?.strip_prefix("field:")?;
        let name = declared.rsplit([' ', '*']).next()?.split('[').next()?;
        (name == field).then_some(())?;
        parts.next()?.strip_prefix("offset:")?.parse().ok()
    })
}

fn read(path: &str) -> io::Result<String> {
    for mount in MOUNTS {
        if let Ok(text) = fs::read_to_string(format!("{mount}/{path}")) {
            return Ok(text);
        }
    }
    read_unmounted(path)
}

/// Reads a file of tracefs through a detached mount: the mount tree stays as it is.
fn read_unmounted(path: &str) -> io::Result<String> {
    let mount = super::files::detached_mount(c"tracefs").map_err(|error| {
        if error.kind() == io::ErrorKind::PermissionDenied {
            io::Error::new(error.kind(), UNREADABLE)
        } else {
            error
        }
    })?;
    let path = format!(
        "/proc/self/fd/{}/{path}",
        std::os::fd::AsRawFd::as_raw_fd(&mount)
    );
    fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_record_are_found_by_name() {
        let format = "name: x\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\n\n\
            \tfield:const void * skaddr;\toffset:8;\tsize:8;\tsigned:0;\n\
            \tfield:__u8 saddr[4];\toffset:32;\tsize:4;\tsigned:0;\n";
        assert_eq!(offset_in(format, "skaddr"), Some(8));
        assert_eq!(offset_in(format, "saddr"), Some(32));
        assert_eq!(offset_in(format, "daddr"), None);
    }
}
