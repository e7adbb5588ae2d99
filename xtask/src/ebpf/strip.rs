//! Removes from the object what nobody reads: DWARF, which also differs between machines, line numbers, and for a short-lived
//! command all programs but its own.

use anyhow::{Context as _, Result, ensure};
use object::build::elf::{Builder, SectionData};
use object::elf;

/// Drops .debug_* and .BTF.ext (our loader hands no line numbers to the kernel); programs, maps, relocations, symbols and .BTF stay.
pub fn debug_sections(linked: &[u8]) -> Result<Vec<u8>> {
    let mut builder = Builder::read(linked).context("read the linked object")?;
    delete(&mut builder, |name| {
        name.starts_with(b".debug_") || name == b".BTF.ext" || name == b".llvm_addrsig"
    })?;
    // LLVM keeps the names of sections and of symbols in one .strtab; the writer wants two.
    let names = builder.sections.add();
    names.name = b".shstrtab"[..].into();
    names.sh_type = elf::SHT_STRTAB;
    names.sh_addralign = 1;
    names.data = SectionData::SectionString;
    written(builder)
}

/// The programs that ping and its kin load, without types (no map and no program of them asks for any): reading the whole object takes
/// 2 ms, which a trace of a round trip notices.
pub fn probes(stripped: &[u8]) -> Result<Vec<u8>> {
    /// Sections of code, and what all code refers to.
    const KEPT: [&[u8]; 11] = [
        b"",
        b".text",
        b"classifier",
        b"tp_btf/net_dev_queue",
        b"tp_btf/netif_receive_skb",
        b"license",
        b"maps",
        b".rodata",
        b".symtab",
        b".strtab",
        b".shstrtab",
    ];
    let mut builder = Builder::read(stripped).context("read the stripped object")?;
    delete(&mut builder, |name| !KEPT.contains(&name))?;
    written(builder)
}

/// Drops sections by name, those of their relocations and the symbols in them.
fn delete(builder: &mut Builder<'_>, dropped: impl Fn(&[u8]) -> bool) -> Result<()> {
    ensure!(
        builder.header.e_machine == elf::EM_BPF,
        "the linker's output is no BPF object"
    );
    for section in &mut builder.sections {
        let name = section.name.as_slice();
        let of = name.strip_prefix(b".rel").unwrap_or(name);
        section.delete = dropped(of);
    }
    builder.delete_orphans();
    Ok(())
}

fn written(mut builder: Builder<'_>) -> Result<Vec<u8>> {
    builder.set_section_sizes();
    let mut bytes = Vec::new();
    builder.write(&mut bytes).context("write the object")?;
    Ok(bytes)
}
