//! What the next descriptors lead to, brought into the processor's cache many at a time: one by one each socket would
//! wait for memory four times, for its file, its `struct socket`, its `struct sock` and the fields far behind.

use super::wanted;
use crate::{
    kernel::access::{Access, Probed, Ptr, Typed, field, has, number, offset},
    maps::config,
};
use core::mem::MaybeUninit;

/// Descriptors at a time.
pub const BATCH: u32 = 8;
const PLACES: usize = BATCH as usize;

/// Loads what the descriptors after `fd` lead to. Nothing is decided by what stands there: it may change at any time, and
/// a load from where no memory is gives 0.
#[inline(always)]
pub fn load(task: Ptr, fd: u32, file: Ptr) {
    let words = config!(types.words);
    if words == 0 {
        return;
    }
    let files: Ptr = field!(Probed, task, task_files);
    let table: Ptr = field!(Probed, files, files_fdt);
    let max: u32 = field!(Probed, table, fdt_max);
    let array: u64 = field!(Probed, table, fdt_fd);
    if u64::from(fd) + u64::from(BATCH) >= u64::from(max) {
        return;
    }
    let own: u64 = unsafe { Typed::load(Typed::untrusted(file, words), offset!(file_ops)) };
    let mut room = MaybeUninit::<[u64; PLACES]>::uninit();
    let places = room.as_mut_ptr().cast::<u64>();
    let (put, get) = (
        |i: usize, value: u64| unsafe { places.add(i).write_volatile(value) },
        |i: usize| unsafe { places.add(i).read_volatile() },
    );
    let next = array.wrapping_add((u64::from(fd) + 1) * 8);
    for i in 0..PLACES {
        put(i, word(next.wrapping_add(i as u64 * 8), 0));
    }
    for i in 0..PLACES {
        let file = get(i);
        if has!(file_ref) {
            word(file, offset!(file_ref));
        }
        let socket = word(file, offset!(file_private));
        // Of other kinds of files nothing is followed.
        let same = word(file, offset!(file_ops)) == own;
        put(i, if same { socket } else { 0 });
    }
    for i in 0..PLACES {
        put(i, word(get(i), offset!(socket_sk)));
    }
    for i in 0..PLACES {
        touch(get(i));
    }
}

/// Whether a descriptor of `task` leads to `file` at this moment.
#[inline(always)]
pub fn still_there(task: Ptr, fd: u32, file: Ptr) -> bool {
    let slot = u64::from(fd) * 8;
    if config!(types.words) == 0 {
        let files: Ptr = field!(Probed, task, task_files);
        let table: Ptr = field!(Probed, files, files_fdt);
        let array: u64 = field!(Probed, table, fdt_fd);
        let here: u64 = unsafe { Probed::load(array.wrapping_add(slot) as Ptr, 0) };
        return here == number(file);
    }
    let files = word(number(task), offset!(task_files));
    let table = word(files, offset!(files_fdt));
    let array = word(table, offset!(fdt_fd));
    word(array.wrapping_add(slot), 0) == number(file)
}

#[inline(always)]
fn touch(sk: u64) {
    word(sk, 0);
    word(sk, offset!(sk_net) & !7);
    word(sk, offset!(sk_protocol) & !7);
    if wanted!(tcp_rows) != 0 {
        word(sk, offset!(tcp_copied_seq) & !7);
        word(sk, offset!(tcp_write_seq) & !7);
        word(sk, offset!(tcp_rcv_nxt) & !7);
    }
}

#[inline(always)]
fn word(address: u64, offset: u32) -> u64 {
    let at = address.wrapping_add(u64::from(offset)) as Ptr;
    unsafe { Typed::load(Typed::untrusted(at, config!(types.words)), 0) }
}
