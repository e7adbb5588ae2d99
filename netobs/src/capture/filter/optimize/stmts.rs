//! One statement: what value it makes, and a cheaper statement that makes the same.

use super::Optimizer;
use crate::capture::filter::{
    code::{
        self, A_ATOM, ABS, ADD, ALU, AND, ATOMS, IMM, IND, K, LD, LDX, LEN, MEM, MISC, MSH, MUL,
        OR, ST, STX, Stmt, TXA, X_ATOM, XOR, class, mode, op, size, takes_x,
    },
    error::FilterError,
};

type Values = [u32; ATOMS];

impl Optimizer {
    /// Updates `values`; `alter` allows to change the statement.
    pub(super) fn statement(
        &mut self,
        stmt: &mut Stmt,
        values: &mut Values,
        alter: bool,
    ) -> Result<(), FilterError> {
        let Some(code) = stmt.code else { return Ok(()) };
        match class(code) {
            LD => self.load(stmt, code, values, alter),
            LDX => self.load_x(stmt, code, values, alter),
            ST => store(stmt, values[A_ATOM], values, alter),
            STX => store(stmt, values[X_ATOM], values, alter),
            ALU if code == ALU | code::NEG => self.negate(stmt, values, alter),
            ALU if takes_x(code) => return self.with_x(stmt, code, values, alter),
            ALU => return self.with_constant(stmt, code, values, alter),
            MISC if code & 0xf8 == TXA => {
                let x = values[X_ATOM];
                assign(stmt, &mut values[A_ATOM], x, alter);
            }
            MISC => {
                let a = values[A_ATOM];
                assign(stmt, &mut values[X_ATOM], a, alter);
            }
            _ => {} // jumps inside of a block
        }
        Ok(())
    }

    fn load(&mut self, stmt: &mut Stmt, code: u16, values: &mut Values, alter: bool) {
        let number = match mode(code) {
            ABS => self.values.of(code, stmt.k, 0),
            IND => {
                let x = values[X_ATOM];
                match self.values.known(x) {
                    Some(at) if alter => {
                        let code = LD | ABS | size(code);
                        stmt.code = Some(code);
                        stmt.k = stmt.k.wrapping_add(at);
                        self.progress();
                        self.values.of(code, stmt.k, 0)
                    }
                    _ => self.values.of(code, stmt.k, x),
                }
            }
            LEN => self.values.of(code, 0, 0),
            MEM => {
                let number = values[stmt.word()];
                self.known_load(stmt, LD | IMM, number, alter);
                number
            }
            _ => self.values.constant(stmt.k),
        };
        assign(stmt, &mut values[A_ATOM], number, alter);
    }

    fn load_x(&mut self, stmt: &mut Stmt, code: u16, values: &mut Values, alter: bool) {
        let number = match mode(code) {
            MSH => self.values.of(code, stmt.k, 0),
            MEM => {
                let number = values[stmt.word()];
                self.known_load(stmt, LDX | IMM, number, alter);
                number
            }
            _ => self.values.constant(stmt.k),
        };
        assign(stmt, &mut values[X_ATOM], number, alter);
    }

    /// A word of memory whose constant is known need not be read.
    fn known_load(&mut self, stmt: &mut Stmt, code: u16, number: u32, alter: bool) {
        if let Some(n) = self.values.known(number)
            && alter
        {
            stmt.code = Some(code);
            stmt.k = n;
            self.progress();
        }
    }

    fn negate(&mut self, stmt: &mut Stmt, values: &mut Values, alter: bool) {
        let a = values[A_ATOM];
        values[A_ATOM] = match self.values.known(a) {
            Some(n) if alter => {
                stmt.code = Some(LD | IMM);
                stmt.k = n.wrapping_neg();
                self.values.constant(stmt.k)
            }
            _ => self.values.of(ALU | code::NEG, a, 0),
        };
    }

    fn with_constant(
        &mut self,
        stmt: &mut Stmt,
        code: u16,
        values: &mut Values,
        alter: bool,
    ) -> Result<(), FilterError> {
        let a = values[A_ATOM];
        if alter && stmt.k == 0 {
            match op(code) {
                ADD | code::LSH | code::RSH | OR | XOR => {
                    stmt.erase();
                    return Ok(());
                }
                MUL | AND => {
                    stmt.code = Some(LD | IMM);
                    values[A_ATOM] = self.values.constant(0);
                    return Ok(());
                }
                code::DIV | code::MOD => return Err(by_zero()),
                _ => {}
            }
        }
        if let Some(known) = self.values.known(a)
            && alter
        {
            self.fold(stmt, op(code), known, stmt.k)?;
            values[A_ATOM] = self.values.constant(stmt.k);
            return Ok(());
        }
        let n = self.values.constant(stmt.k);
        values[A_ATOM] = self.values.of(code, a, n);
        Ok(())
    }

    fn with_x(
        &mut self,
        stmt: &mut Stmt,
        code: u16,
        values: &mut Values,
        alter: bool,
    ) -> Result<(), FilterError> {
        let (a, x) = (values[A_ATOM], values[X_ATOM]);
        match (self.values.known(a), self.values.known(x)) {
            (Some(known), Some(other)) if alter => {
                self.fold(stmt, op(code), known, other)?;
                values[A_ATOM] = self.values.constant(stmt.k);
            }
            (None, Some(other)) if alter => {
                let code = ALU | K | op(code);
                stmt.code = Some(code);
                stmt.k = other;
                if matches!(op(code), code::LSH | code::RSH) && other > 31 {
                    return Err(FilterError::whole("a shift by more than 31 bits"));
                }
                self.progress();
                let n = self.values.constant(other);
                values[A_ATOM] = self.values.of(code, a, n);
            }
            (Some(0), None) if alter && matches!(op(code), ADD | OR | XOR) => {
                stmt.code = Some(MISC | TXA);
                assign(stmt, &mut values[A_ATOM], x, alter);
            }
            (Some(0), None) if alter && op(code) != code::SUB => {
                stmt.code = Some(LD | IMM);
                stmt.k = 0;
                let zero = self.values.constant(0);
                assign(stmt, &mut values[A_ATOM], zero, alter);
            }
            _ => values[A_ATOM] = self.values.of(code, a, x),
        }
        Ok(())
    }

    /// Does the sum of two constants now.
    fn fold(&mut self, stmt: &mut Stmt, op: u16, a: u32, b: u32) -> Result<(), FilterError> {
        stmt.k = match op {
            ADD => a.wrapping_add(b),
            code::SUB => a.wrapping_sub(b),
            MUL => a.wrapping_mul(b),
            code::DIV => a.checked_div(b).ok_or_else(by_zero)?,
            code::MOD => a.checked_rem(b).ok_or_else(by_zero)?,
            AND => a & b,
            OR => a | b,
            XOR => a ^ b,
            code::LSH => a.checked_shl(b).unwrap_or(0),
            _ => a.checked_shr(b).unwrap_or(0),
        };
        stmt.code = Some(LD | IMM);
        self.progress();
        Ok(())
    }
}

fn by_zero() -> FilterError {
    FilterError::whole("division by zero")
}

/// A place gets a value; when it has it already the statement is not needed.
fn assign(stmt: &mut Stmt, place: &mut u32, number: u32, alter: bool) {
    if alter && number != 0 && *place == number {
        stmt.erase();
    } else {
        *place = number;
    }
}

fn store(stmt: &mut Stmt, number: u32, values: &mut Values, alter: bool) {
    let word = stmt.word();
    assign(stmt, &mut values[word], number, alter);
}
