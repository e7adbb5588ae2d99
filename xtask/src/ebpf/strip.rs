//! Removes from the object what nobody reads: DWARF, which also differs between machines, and line numbers.

use anyhow::{Context as _, Result, ensure};
use object::build::elf::{Builder, SectionData};
use object::elf;

/// Drops .debug_* and .BTF.ext (our loader hands no line numbers to the kernel); programs, maps, relocations, symbols and .BTF stay.
pub fn debug_sections(linked: &[u8]) -> Result<Vec<u8>> {
    let mut builder = Builder::read(linked).context("read the linked object")?;
    ensure!(
        builder.header.e_machine == elf::EM_BPF,
        "the linker's output is no BPF object"
    );
    for section in &mut builder.sections {
        let name = section.name.as_slice();
        let name = name.strip_prefix(b".rel").unwrap_or(name);
        section.delete =
            name.starts_with(b".debug_") || name == b".BTF.ext" || name == b".llvm_addrsig";
    }
    builder.delete_orphans();
    // LLVM keeps the names of sections and of symbols in one .strtab; the writer wants two.
    let names = builder.sections.add();
    names.name = b".shstrtab"[..].into();
    names.sh_type = elf::SHT_STRTAB;
    names.sh_addralign = 1;
    names.data = SectionData::SectionString;
    builder.set_section_sizes();
    let mut stripped = Vec::new();
    builder
        .write(&mut stripped)
        .context("write the stripped object")?;
    Ok(stripped)
}
