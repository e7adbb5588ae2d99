//! Programs on an interface: XDP, tcx and TC, by name and number.

use anyhow::{Context, Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::programs::{Bystander, Place};
use netobs_tests::sys;
use netobs_tests::topology::Pair;
use serde_json::{Value, json};

use super::show;
use crate::support::kernel_since;

fn attached(ns: &Netns, place: Place) -> Result<Bystander> {
    ns.run(|| Bystander::attach_at(place, sys::ifindex(c"eth0")?))
}

fn eth0(ns: &Netns) -> Result<Value> {
    let links = show(ns, &["link"])?;
    links
        .into_iter()
        .find(|l| l["ifname"] == "eth0")
        .context("no eth0")
}

#[test]
fn xdp() -> Result<()> {
    let lab = Pair::new()?;
    let program = attached(&lab.a, Place::Xdp)?;
    let told = eth0(&lab.a)?;
    ensure!(
        told["xdp"] == json!([format!("native:bystander#{}", program.id()?)]),
        "{told}"
    );
    drop(program);
    ensure!(
        eth0(&lab.a)?["xdp"] == json!([]),
        "still told after it is gone"
    );
    Ok(())
}

#[test]
fn tcx() -> Result<()> {
    if !kernel_since(6, 6)? {
        return Ok(()); // No tcx there.
    }
    let lab = Pair::new()?;
    let (inwards, outwards) = (
        attached(&lab.a, Place::TcxIngress)?,
        attached(&lab.a, Place::TcxEgress)?,
    );
    let told = eth0(&lab.a)?;
    let want = json!([
        format!("tcx-ingress:bystander#{}", inwards.id()?),
        format!("tcx-egress:bystander#{}", outwards.id()?)
    ]);
    ensure!(told["tc"] == want, "{told}");
    Ok(())
}
