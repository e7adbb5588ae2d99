//! Filters as byte code for inet_diag, so that the kernel passes over what is not wanted.

use super::{Expression, Filter, Host, Joint, Side};
use crate::netlink::sock_diag::bytecode::{self, Condition};

/// Longer programs are not sent: offsets in them are 16 bits wide.
const LONGEST: usize = 16 * 1024;

impl Filter {
    /// Empty: there is nothing that the kernel could test.
    pub fn bytecode(&self) -> Vec<u8> {
        let code = self.expression.as_ref().and_then(compile);
        code.filter(|code| code.len() <= LONGEST)
            .unwrap_or_default()
    }
}

/// `None`: the kernel has no test for it, so rows are tested here alone.
fn compile(expression: &Expression) -> Option<Vec<u8>> {
    let port = |limit: i64| u16::try_from(limit).ok();
    Some(match expression {
        Expression::Chain(first, rest) => {
            let mut code = compile(first)?;
            for (joint, next) in rest {
                let next = compile(next)?;
                code = match joint {
                    Joint::And => bytecode::and(code, &next),
                    Joint::Or => bytecode::or(code, &next),
                };
                if code.len() > LONGEST {
                    return None;
                }
            }
            code
        }
        Expression::Not(inner) => bytecode::not(compile(inner)?),
        Expression::Host(side, host) => hosts(*side, host)?,
        Expression::AtLeast(Side::Local, n) => {
            bytecode::test(Condition::LocalPortAtLeast(port(*n)?))
        }
        Expression::AtMost(Side::Local, n) => bytecode::test(Condition::LocalPortAtMost(port(*n)?)),
        Expression::AtLeast(Side::Remote, n) => {
            bytecode::test(Condition::RemotePortAtLeast(port(*n)?))
        }
        Expression::AtMost(Side::Remote, n) => {
            bytecode::test(Condition::RemotePortAtMost(port(*n)?))
        }
        Expression::Mark { value, mask } => bytecode::test(Condition::Mark {
            value: *value,
            mask: *mask,
        }),
        Expression::Cgroup(id) => bytecode::test(Condition::Cgroup(*id)),
        Expression::Autobound => bytecode::test(Condition::Autobound),
        Expression::Device(_) => return None,
    })
}

fn hosts(side: Side, host: &Host) -> Option<Vec<u8>> {
    if host.path.is_some() || host.protocol.is_some() {
        return None;
    }
    let port = match host.port {
        Some(port) => Some(u16::try_from(port).ok()?),
        None => None,
    };
    let test = |prefix| {
        let to = bytecode::Host { prefix, port };
        bytecode::test(match side {
            Side::Local => Condition::Local(to),
            Side::Remote => Condition::Remote(to),
        })
    };
    let mut tests = host.prefixes.iter().map(|prefix| test(Some(*prefix)));
    let first = tests.next().unwrap_or_else(|| test(None));
    Some(tests.fold(first, |code, next| bytecode::or(code, &next)))
}
