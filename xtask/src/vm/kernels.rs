//! The kernels of the matrix: the newest of each Debian suite, found by package name, never by version.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::modules;
use crate::apt::PrivateApt;
use crate::paths;

/// 5.10, 6.1, 6.12, and the newest that Debian packages for stable.
const SUITES: [&str; 4] = [
    "bullseye-security",
    "bookworm-security",
    "trixie-security",
    "trixie-backports",
];
const NEWEST: &str = "linux-image-cloud-amd64";

/// An unpacked kernel: `vmlinuz`, `config` and `modules.cpio` lie in `dir`.
pub struct Kernel {
    pub suite: &'static str,
    /// `6.1.0-56-cloud-amd64`
    pub release: String,
    pub dir: PathBuf,
}

/// Resolves each suite and fetches what is not there yet.
pub fn fetch_all() -> Result<Vec<Kernel>> {
    let apt = PrivateApt::open(&paths::target().join("apt/kernels"), &SUITES)?;
    SUITES
        .iter()
        .map(|suite| fetch(&apt, suite).with_context(|| format!("kernel of {suite}")))
        .collect()
}

fn fetch(apt: &PrivateApt, suite: &'static str) -> Result<Kernel> {
    let record = apt
        .show(&format!("{NEWEST}/{suite}"))
        .with_context(|| format!("{suite} has no {NEWEST}"))?;
    let release = newest(&record).with_context(|| format!("{NEWEST} depends on no image"))?;
    let dir = paths::target().join("vm/kernels").join(&release);
    if !dir.join("modules.cpio").is_file() {
        println!("fetching Linux {release} from {suite}");
        // Built aside and renamed when complete: an interrupted fetch leaves no half kernel.
        let aside = paths::target()
            .join("vm/kernels")
            .join(format!(".new-{release}"));
        if aside.exists() {
            fs::remove_dir_all(&aside)?;
        }
        unpack(apt, &release, &aside)?;
        fs::rename(&aside, &dir)?;
    }
    Ok(Kernel {
        suite,
        release,
        dir,
    })
}

/// `Depends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.172-1)` names the release.
fn newest(record: &str) -> Option<String> {
    let depends = record
        .lines()
        .find_map(|line| line.strip_prefix("Depends:"))?;
    depends
        .split([' ', ',', '|'])
        .filter_map(|word| word.strip_prefix("linux-image-"))
        .find(|release| release.starts_with(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
}

fn unpack(apt: &PrivateApt, release: &str, dir: &Path) -> Result<()> {
    let tree = dir.join("tree");
    for package in packages(apt, release)? {
        apt.unpack(&package, &tree)?;
    }
    let modules = ["lib/modules", "usr/lib/modules"].map(|base| tree.join(base).join(release));
    let [old, new] = modules;
    let modules = if old.is_dir() { old } else { new };
    for (name, wanted) in [("vmlinuz", "vmlinuz"), ("config", "config")] {
        let places = [
            tree.join(format!("boot/{name}-{release}")),
            modules.join(name),
        ];
        let found = places
            .iter()
            .find(|place| place.is_file())
            .with_context(|| format!("no {name} in the packages"))?;
        fs::copy(found, dir.join(wanted))?;
    }
    modules::pack(release, &modules, &dir.join("modules.cpio"))?;
    fs::remove_dir_all(tree).context("remove the unpacked tree")
}

/// One package up to 6.18; since 6.19 the image is a stub and others hold the files.
fn packages(apt: &PrivateApt, release: &str) -> Result<Vec<String>> {
    for image in [
        format!("linux-image-{release}"),
        format!("linux-image-{release}-unsigned"),
    ] {
        let Some(record) = apt.show(&image) else {
            continue;
        };
        if record.contains(&format!("linux-binary-{release}")) {
            return Ok(["binary", "modules", "base"]
                .map(|part| format!("linux-{part}-{release}"))
                .into());
        }
        return Ok(vec![image]);
    }
    bail!("the archive has no package linux-image-{release}")
}

#[cfg(test)]
mod tests {
    use super::newest;

    #[test]
    fn the_release_is_read_from_the_dependency() {
        let record = "Package: linux-image-cloud-amd64\nDepends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.172-1)\n";
        assert_eq!(newest(record).as_deref(), Some("6.1.0-56-cloud-amd64"));
        let stub =
            "Depends: linux-base, linux-image-7.2.12+deb13-cloud-amd64 (= 7.2.12-1~bpo13+1)\n";
        assert_eq!(newest(stub).as_deref(), Some("7.2.12+deb13-cloud-amd64"));
        assert_eq!(newest("Package: x\n"), None);
    }
}
