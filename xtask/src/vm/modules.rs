//! The kernel modules that labs need, with all they depend on, as one cpio archive.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::cpio::Archive;
use crate::cmd;

/// Below `kernel/`: networking, virtio, and the filesystems of containers.
const WANTED: [&str; 34] = [
    "net/802",
    "net/8021q/",
    "net/bridge/",
    "net/core/",
    "net/ipv4/",
    "net/ipv6/",
    "net/key/",
    "net/mptcp/",
    "net/netfilter/",
    "net/netlink/",
    "net/packet/",
    "net/psample/",
    "net/sctp/",
    "net/sched/",
    "net/tls/",
    "net/unix/",
    "net/xfrm/",
    "net/llc/",
    "drivers/net/veth",
    "drivers/net/dummy",
    "drivers/net/bonding/",
    "drivers/net/geneve",
    "drivers/net/vxlan",
    "drivers/net/wireguard/",
    "drivers/net/ifb",
    "drivers/net/tun",
    "drivers/net/virtio_net",
    "drivers/net/vrf",
    "drivers/net/macvlan",
    "drivers/net/ipvlan/",
    "drivers/virtio/",
    "drivers/block/virtio_blk",
    "drivers/char/hw_random/virtio-rng",
    "fs/overlayfs/",
];

/// Packs the subset of the unpacked folder `modules` (`.../lib/modules/RELEASE`) into `into`.
pub fn pack(release: &str, modules: &Path, into: &Path) -> Result<()> {
    // depmod wants BASE/lib/modules/RELEASE, whatever the package calls it.
    let base = into.with_extension("tree");
    let root = base.join("lib/modules").join(release);
    fs::create_dir_all(base.join("lib/modules"))?;
    fs::rename(modules, &root).context("move the modules aside")?;
    depmod(&base, release)?;
    let table = fs::read_to_string(root.join("modules.dep")).context("read modules.dep")?;
    let wanted = closure(&table);
    let subset = into.with_extension("subset");
    let chosen = subset.join("lib/modules").join(release);
    for name in &wanted {
        copy_plain(&root.join(name), &chosen.join(name))?;
    }
    for name in [
        "modules.builtin",
        "modules.builtin.modinfo",
        "modules.order",
    ] {
        if root.join(name).is_file() {
            fs::copy(root.join(name), chosen.join(name))?;
        }
    }
    depmod(&subset, release)?;
    let mut archive = Archive::default();
    archive.tree(&subset.join("lib"), "lib")?;
    fs::write(into, archive.finish())?;
    fs::remove_dir_all(base)?;
    fs::remove_dir_all(subset).context("remove the module subset")
}

/// Wanted modules and their dependencies, from lines `module: dependency...`.
fn closure(table: &str) -> BTreeSet<&str> {
    let mut chosen = BTreeSet::new();
    for line in table.lines() {
        let Some((module, needs)) = line.split_once(':') else {
            continue;
        };
        let name = module.strip_prefix("kernel/").unwrap_or(module);
        if WANTED.iter().any(|prefix| name.starts_with(prefix)) {
            chosen.insert(module);
            chosen.extend(needs.split_whitespace());
        }
    }
    chosen
}

/// Copies decompressed, since busybox's modprobe cannot read every format; the name loses the suffix too.
fn copy_plain(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().context("a module has a folder")?)?;
    let program = match from.extension().and_then(|ext| ext.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => {
            fs::copy(from, to).with_context(|| format!("copy {}", from.display()))?;
            return Ok(());
        }
    };
    let plain = fs::File::create(to.with_extension(""))?;
    cmd::run(
        Command::new(program)
            .args(["-d", "-q", "-c"])
            .arg(from)
            .stdout(plain),
    )
}

fn depmod(base: &Path, release: &str) -> Result<()> {
    let depmod = cmd::find("depmod").context("depmod is missing: install kmod")?;
    cmd::output(Command::new(depmod).arg("-b").arg(base).arg(release)).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::closure;

    #[test]
    fn dependencies_come_along() {
        let table = "kernel/net/sched/sch_netem.ko.xz:\nkernel/net/bridge/bridge.ko.xz: kernel/net/802/stp.ko.xz kernel/lib/x.ko.xz\n\
            kernel/sound/snd.ko.xz: kernel/sound/core.ko.xz\n";
        let chosen: Vec<_> = closure(table).into_iter().collect();
        assert_eq!(
            chosen,
            [
                "kernel/lib/x.ko.xz",
                "kernel/net/802/stp.ko.xz",
                "kernel/net/bridge/bridge.ko.xz",
                "kernel/net/sched/sch_netem.ko.xz"
            ]
        );
    }
}
