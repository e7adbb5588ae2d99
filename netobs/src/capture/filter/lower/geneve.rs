//! Geneve: tests of the tunnel, and offsets of what is inside, worked out at run time.

use super::{
    Lower, Lowered,
    load::{Base, Offset},
    ports::{Ports, UDP},
    store,
};
use crate::capture::{
    filter::{
        ast::Dir,
        code::{
            ADD, ALU, AND, B, H, IMM, IND, JEQ, K, LD, LDX, MEM, MISC, MUL, STX, Stmt, TAX, TXA, W,
            X,
        },
        graph::Test,
    },
    link::LinkType,
};

const PORT: u32 = 6081;
/// An Ethernet frame is inside.
const BRIDGED: u32 = 0x6558;

impl Lower<'_> {
    pub(super) fn geneve(&mut self, vni: Option<u32>) -> Lowered<Test> {
        if vni.is_some_and(|vni| vni > 0x00ff_ffff) {
            return self.refuse("a Geneve network is at most 16777215");
        }
        let v4 = self.geneve_over(vni, false)?;
        let mut length = self.ipv4_length()?;
        length.push(Stmt::new(MISC | TXA, 0));
        let v4 = self.then(v4, length);
        let v6 = self.geneve_over(vni, true)?;
        let mut length = match self.varying(self.payload)? {
            Some(x) => vec![x, Stmt::new(LD | IMM, 40), Stmt::new(ALU | ADD | X, 0)],
            None => vec![Stmt::new(LD | IMM, 40)],
        };
        length.push(Stmt::new(MISC | TAX, 0));
        let v6 = self.then(v6, length);
        let either = self.graph.or(v4, v6);
        let offsets = self.inner_offsets()?;
        let always = self.always(true);
        self.graph.prepend(&always, offsets);
        self.in_geneve = true;
        Ok(self.graph.and(either, always))
    }

    fn geneve_over(&mut self, vni: Option<u32>, v6: bool) -> Lowered<Test> {
        let base = if v6 { Base::Ipv6Next } else { Base::Ipv4Next };
        let port = self.ports_over(Ports::One(PORT), Some(UDP), Dir::Dst, v6)?;
        let version = self.masked(base, 8, B, 0, 0xc0)?;
        let mut test = self.graph.and(port, version);
        if let Some(vni) = vni {
            let this = self.masked(base, 12, W, vni << 8, 0xffff_ff00)?;
            test = self.graph.and(test, this);
        }
        Ok(test)
    }

    /// Statements that run when the test holds: a comparison of A with itself in X.
    fn then(&mut self, test: Test, stmts: Vec<Stmt>) -> Test {
        let always = self.graph.test(stmts, JEQ | X, 0);
        self.graph.and(test, always)
    }

    /// A has the length of the IP header: where type, header and payload of the inner frame begin.
    fn inner_offsets(&mut self) -> Lowered<Vec<Stmt>> {
        let begin = self.payload.constant + self.network + 8;
        let kind = self.register()?;
        let header = self.register()?;
        let payload = self.register()?;
        let word = |register| u32::try_from(register).unwrap_or(0);
        // A jump over statements is nothing the optimizer knows.
        self.optimize = false;
        let stmts = vec![
            Stmt::new(ALU | ADD | K, begin),
            Stmt::new(MISC | TAX, 0),
            Stmt::new(ALU | ADD | K, 2),
            store(kind),
            Stmt::new(LD | IND | B, 0),
            Stmt::new(ALU | AND | K, 0x3f),
            Stmt::new(ALU | MUL | K, 4),
            Stmt::new(ALU | ADD | K, 8),
            Stmt::new(ALU | ADD | X, 0),
            store(header),
            Stmt::new(LD | IND | H, 2),
            Stmt::new(LDX | MEM, word(header)),
            Stmt::jump(JEQ, BRIDGED, 0, 5),
            Stmt::new(MISC | TXA, 0),
            Stmt::new(ALU | ADD | K, 12),
            store(kind),
            Stmt::new(ALU | ADD | K, 2),
            Stmt::new(MISC | TAX, 0),
            Stmt::new(STX, word(payload)),
        ];
        let at = |register| Offset {
            constant: 0,
            varies: true,
            register: Some(register),
        };
        self.link = LinkType::Ethernet;
        self.kind = Some(at(kind));
        self.header = at(header);
        self.payload = at(payload);
        self.network = 0;
        Ok(stmts)
    }
}
