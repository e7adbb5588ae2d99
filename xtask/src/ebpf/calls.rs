//! Calls between BPF functions: a program that reads kernel memory directly must have none.

use anyhow::{Context as _, Result, ensure};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget};

/// Programs whose loads may fault: the kernel mends a fault by a table of the program, which kernels before 6.4 forget
/// for a program with subprograms (seen on 5.10: the machine dies).
const TYPED: [&str; 4] = ["tp_btf/", "fentry/", "fexit/", "iter/"];

/// Fails for a typed program that calls a function of the object; `#[inline(always)]` is what mends it.
pub fn none_in_typed_programs(object: &[u8]) -> Result<()> {
    let file = object::File::parse(object).context("read the object")?;
    for section in file.sections() {
        let name = section.name().context("read a section's name")?;
        if !TYPED.iter().any(|typed| name.starts_with(typed)) {
            continue;
        }
        for (at, relocation) in section.relocations() {
            let RelocationTarget::Symbol(index) = relocation.target() else {
                continue;
            };
            let symbol = file.symbol_by_index(index).context("read a symbol")?;
            let called = symbol
                .section_index()
                .and_then(|i| file.section_by_index(i).ok());
            let text = called.is_some_and(|section| section.name() == Ok(".text"));
            ensure!(
                !text,
                "{name} calls {} at {at:#x}: a fault in such a program kills kernels before 6.4; inline it",
                symbol.name().unwrap_or("a function")
            );
        }
    }
    Ok(())
}
