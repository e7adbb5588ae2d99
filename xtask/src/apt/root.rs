//! A private apt root: packages of any suite, verified by apt, unpacked and never installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::sources::Mirror;
use crate::{clock, cmd};

/// Lists younger than this are not fetched again.
const FRESH: Duration = Duration::from_hours(1);

/// apt with its own lists, cache and status; the system's stay as they are.
pub struct PrivateApt {
    dir: PathBuf,
}

impl PrivateApt {
    /// Prepares the root under `dir` for `suites` and fetches their lists unless fresh ones are there.
    pub fn open(dir: &Path, suites: &[&str]) -> Result<Self> {
        for sub in ["lists/partial", "cache/archives/partial", "none", "debs"] {
            fs::create_dir_all(dir.join(sub))
                .with_context(|| format!("create {}", dir.join(sub).display()))?;
        }
        let mirror = Mirror::of_this_machine()?;
        fs::write(dir.join("status"), "")?;
        let sources = sources_list(&mirror, suites);
        let unchanged =
            fs::read_to_string(dir.join("sources.list")).is_ok_and(|old| old == sources);
        fs::write(dir.join("sources.list"), sources)?;
        fs::write(dir.join("apt.conf"), configuration(dir))?;
        let apt = Self {
            dir: dir.to_path_buf(),
        };
        let stamp = dir.join("updated");
        let age = clock::age(&stamp).filter(|_| unchanged);
        if age.is_none_or(|age| age > FRESH) {
            match cmd::run(apt.command("apt-get").args(["-qq", "update"])) {
                Ok(()) => fs::write(stamp, "")?,
                // Without a network, what was fetched before may do.
                Err(error) if age.is_some() => println!("package lists are old: {error:#}"),
                Err(error) => return Err(error).context("fetch the package lists"),
            }
        }
        Ok(apt)
    }

    /// Versions of `package` on offer, with the suite's line, newest first.
    pub fn versions(&self, package: &str) -> Result<Vec<String>> {
        let table = cmd::output(self.command("apt-cache").args(["madison", package]))?;
        Ok(table
            .lines()
            .filter_map(|line| line.split('|').nth(1))
            .map(|version| version.trim().to_owned())
            .collect())
    }

    /// The control record of `package`, or of `package/suite`; None when there is no such package.
    pub fn show(&self, package: &str) -> Option<String> {
        let out =
            cmd::output(
                self.command("apt-cache")
                    .args(["show", "--no-all-versions", package]),
            )
            .ok()?;
        (!out.trim().is_empty()).then_some(out)
    }

    /// Downloads `package` (or `package=version`) and unpacks it into `into`.
    pub fn unpack(&self, package: &str, into: &Path) -> Result<()> {
        let debs = self.dir.join("debs");
        let name = package.split(['=', '/']).next().unwrap_or(package);
        let find = || -> Option<PathBuf> {
            let mut entries = fs::read_dir(&debs).ok()?.flatten();
            entries
                .find(|entry| {
                    entry
                        .file_name()
                        .to_string_lossy()
                        .starts_with(&format!("{name}_"))
                })
                .map(|entry| entry.path())
        };
        if let Some(old) = find() {
            fs::remove_file(old)?;
        }
        cmd::run(
            self.command("apt-get")
                .current_dir(&debs)
                .args(["-qq", "download", package]),
        )
        .with_context(|| format!("download {package}"))?;
        let deb = find().with_context(|| format!("apt-get left no {name}_*.deb"))?;
        fs::create_dir_all(into)?;
        cmd::run(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(into))?;
        fs::remove_file(deb).context("remove the unpacked archive")
    }

    /// Given with -c, hence read after /etc/apt/apt.conf.d: the machine's proxies hold, its paths and hooks do not.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-c").arg(self.dir.join("apt.conf"));
        command
    }
}

fn sources_list(mirror: &Mirror, suites: &[&str]) -> String {
    let line = |suite: &&str| {
        let uri = if suite.ends_with("-security") {
            &mirror.security
        } else {
            &mirror.main
        };
        format!(
            "deb [signed-by={}] {uri} {suite} main\n",
            mirror.keyring.display()
        )
    };
    suites.iter().map(line).collect()
}

fn configuration(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "#clear APT::Update::Pre-Invoke;\n#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n\
         Dir::State \"{dir}\";\nDir::State::status \"{dir}/status\";\nDir::State::lists \"{dir}/lists\";\n\
         Dir::Cache \"{dir}/cache\";\nDir::Cache::archives \"{dir}/cache/archives\";\n\
         Dir::Cache::pkgcache \"pkgcache.bin\";\nDir::Cache::srcpkgcache \"srcpkgcache.bin\";\n\
         Dir::Etc::sourcelist \"{dir}/sources.list\";\nDir::Etc::sourceparts \"{dir}/none\";\n\
         Dir::Etc::preferences \"{dir}/none/preferences\";\nDir::Etc::preferencesparts \"{dir}/none\";\n\
         APT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\nAcquire::Retries \"3\";\n\
         Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n\
         Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled \"false\";\n"
    )
}
