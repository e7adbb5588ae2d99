//! Kernel addresses to names: the kernel itself prints them, so that no symbol table is read and none has to be readable.

use crate::kernel::access::Ptr;
use aya_ebpf::{helpers::generated::bpf_seq_printf, macros::map, maps::Array};

/// The address asked for.
#[map]
static ADDRESS: Array<u64> = Array::with_max_entries(1, 0);

/// Context of `iter/bpf_map_elem` (5.9).
#[repr(C)]
pub struct MapElement {
    pub meta: *const Meta,
    pub map: Ptr,
    pub key: Ptr,
    pub value: *mut u8,
}

/// `struct bpf_iter_meta`.
#[repr(C)]
pub struct Meta {
    pub seq: *mut u8,
}

/// `%pB`: of a return address the call before it, as `function+0xoffset/0xsize [module]`.
const FORMAT: [u8; 4] = *b"%pB\0";

#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/bpf_map_elem")]
pub fn symbol_of(ctx: *const MapElement) -> i32 {
    let (meta, value) = unsafe { ((*ctx).meta, (*ctx).value) };
    if value.is_null() {
        return 0;
    }
    let address = unsafe { value.cast::<u64>().read_volatile() };
    let seq = unsafe { (&raw const (*meta).seq).read_volatile() };
    let format = FORMAT;
    unsafe {
        bpf_seq_printf(
            seq.cast(),
            format.as_ptr().cast(),
            format.len() as u32,
            (&raw const address).cast(),
            8,
        );
    }
    0
}
