//! Memory that one input may take, and that all of them may leave behind.

use std::{alloc::System, sync::OnceLock};

use cap::Cap;

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// The largest filter that is compiled needs 30 MB, a file or a packet a twentieth.
const AT_ONCE: usize = 64 << 20;
/// What is made once for all, such as tables, stays; what each input leaves adds up.
const LEFT: usize = 4 << 20;

/// Runs a target over one input. An allocation beyond the limit aborts, so that the input to blame is known.
pub fn bounded(data: &[u8], target: fn(&[u8])) {
    static BEFORE: OnceLock<usize> = OnceLock::new();
    let before = *BEFORE.get_or_init(|| {
        let told = std::panic::take_hook();
        // To tell what happened takes memory, too.
        std::panic::set_hook(Box::new(move |panic| {
            let _above_what_is_in_use = MEMORY.set_limit(usize::MAX);
            told(panic);
        }));
        MEMORY.allocated()
    });
    MEMORY
        .set_limit(MEMORY.allocated() + AT_ONCE)
        .expect("a limit above what is in use can be set");
    target(data);
    let left = MEMORY.allocated().saturating_sub(before);
    assert!(
        left <= LEFT,
        "{left} bytes are left behind by the inputs so far"
    );
}
