//! Two ways to read a kernel field: a direct load from a pointer the verifier knows, or a checked copy.

use crate::maps::config;
use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_skc_to_tcp_sock};
use core::{arch::asm, mem::MaybeUninit};
use netobs_ebpf::config::CAST;

/// A pointer into the kernel.
pub type Ptr = *const u8;

/// How a program may read: chosen by its rung.
pub trait Access {
    /// # Safety
    /// `base` comes from the kernel; `offset` is a field of its struct and `T` has the field's size.
    unsafe fn load<T: Copy>(base: Ptr, offset: u32) -> T;

    /// The `tcp_sock` of a socket; null when it is none.
    unsafe fn tcp_sock(sk: Ptr) -> Ptr;

    /// The same of a socket that is known to be one of TCP, and full.
    ///
    /// # Safety
    /// It is.
    #[inline(always)]
    unsafe fn full_tcp(sk: Ptr) -> Ptr {
        unsafe { Self::tcp_sock(sk) }
    }

    /// The same pointer as one to the kernel type of number `id` that the verifier does not trust: loading a pointer
    /// from a trusted one costs it four walks over all of BTF (1 ms).
    unsafe fn untrusted(pointer: Ptr, id: u32) -> Ptr;
}

/// tp_btf, fentry, fexit, iterators: about 0.5 ns a load; the kernel fixes up a fault to 0.
pub struct Typed;

impl Access for Typed {
    #[inline(always)]
    unsafe fn load<T: Copy>(base: Ptr, offset: u32) -> T {
        unsafe { base.add(offset as usize).cast::<T>().read_volatile() }
    }

    #[inline(always)]
    unsafe fn tcp_sock(sk: Ptr) -> Ptr {
        unsafe { bpf_skc_to_tcp_sock(sk.cast_mut().cast()) }.cast()
    }

    #[inline(always)]
    unsafe fn full_tcp(sk: Ptr) -> Ptr {
        match config!(types.tcp_sock) {
            0 => unsafe { Self::tcp_sock(sk) },
            id => unsafe { Self::untrusted(sk, id) },
        }
    }

    #[inline(always)]
    unsafe fn untrusted(pointer: Ptr, id: u32) -> Ptr {
        let cast: Ptr;
        unsafe {
            asm!(
                "call {cast}",
                cast = const CAST,
                inlateout("r1") pointer => _,
                inlateout("r2") u64::from(id) => _,
                lateout("r0") cast,
                lateout("r3") _,
                lateout("r4") _,
                lateout("r5") _,
            );
        }
        cast
    }
}

/// raw_tp, kprobe, tracepoint: about 22 ns a load; 0 when the address is not readable.
pub struct Probed;

impl Access for Probed {
    #[inline(always)]
    unsafe fn load<T: Copy>(base: Ptr, offset: u32) -> T {
        let mut value = MaybeUninit::<T>::uninit();
        unsafe {
            // The helper zeroes the destination when it cannot read.
            bpf_probe_read_kernel(
                value.as_mut_ptr().cast(),
                size_of::<T>() as u32,
                base.add(offset as usize).cast(),
            );
            value.assume_init()
        }
    }

    #[inline(always)]
    unsafe fn tcp_sock(sk: Ptr) -> Ptr {
        sk
    }

    #[inline(always)]
    unsafe fn untrusted(pointer: Ptr, _id: u32) -> Ptr {
        pointer
    }
}

/// The number behind a pointer: the verifier lets nobody calculate with one it knows the type of, but adding one to
/// memory in one instruction leaves a number there.
#[inline(always)]
pub fn number(pointer: Ptr) -> u64 {
    let mut cell = 0_u64;
    unsafe {
        asm!("lock *(u64 *)({cell} + 0) += {pointer}", cell = in(reg) &raw mut cell, pointer = in(reg) pointer);
    }
    cell
}

/// Copies `len` bytes; zeroes where they cannot be read.
///
/// # Safety
/// `to` has room for `len` bytes.
#[inline(always)]
pub unsafe fn copy(to: *mut u8, len: u32, from: Ptr) {
    unsafe { bpf_probe_read_kernel(to.cast(), len, from.cast()) };
}

/// The same for a fixed number of words: word by word where an address can be given a type, in half the time.
///
/// # Safety
/// `to` has room for `len` bytes, a multiple of eight.
#[inline(always)]
pub unsafe fn copy_words(to: *mut u64, len: u32, from: Ptr) {
    let words = config!(types.words);
    if words == 0 {
        return unsafe { copy(to.cast(), len, from) };
    }
    let from = unsafe { Typed::untrusted(from, words) };
    for word in 0..len / 8 {
        unsafe {
            let value: u64 = Typed::load(from, word * 8);
            to.add(word as usize).write_volatile(value);
        }
    }
}

/// A number from 1 to `MOST`. The compiler compares one copy of a number and uses another, of which verifiers before 5.11 then know
/// nothing.
#[inline(always)]
pub fn bounded<const MOST: usize>(len: u32) -> u32 {
    let mut len = u64::from(len);
    unsafe {
        asm!(
            "if {len} > 0 goto +1",
            "{len} = 1",
            "if {len} <= {most} goto +1",
            "{len} = {most}",
            len = inlateout(reg) len,
            most = const MOST,
        );
    }
    len as u32
}

/// A word of `.rodata`: the verifier knows its value, the compiler must not.
#[inline(always)]
pub fn constant(word: *const u32) -> u32 {
    unsafe { word.read_volatile() }
}

/// Offset of a field on this kernel, `netobs_ebpf::offsets::ABSENT` if it has none.
macro_rules! offset {
    ($field:ident) => {
        $crate::kernel::access::constant(&raw const $crate::maps::KERNEL.$field)
    };
}
pub(crate) use offset;

/// Reads `field` of the struct at `base`; the type is the caller's.
macro_rules! field {
    ($access:ty, $base:expr, $field:ident) => {{
        let (base, offset) = ($base, $crate::kernel::access::offset!($field));
        unsafe { <$access as $crate::kernel::access::Access>::load(base, offset) }
    }};
}
pub(crate) use field;

/// Reads `field`, a pointer, of the struct of kernel type `type` at `base`.
macro_rules! pointer {
    ($access:ty, $base:expr, $type:ident, $field:ident) => {{
        let id = $crate::maps::config!(types.$type);
        let base = unsafe { <$access as $crate::kernel::access::Access>::untrusted($base, id) };
        let pointer: $crate::kernel::access::Ptr =
            $crate::kernel::access::field!($access, base, $field);
        pointer
    }};
}
pub(crate) use pointer;

/// Whether this kernel has a field.
macro_rules! has {
    ($field:ident) => {
        $crate::kernel::access::offset!($field) != netobs_ebpf::offsets::ABSENT
    };
}
pub(crate) use has;
