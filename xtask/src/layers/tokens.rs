//! A source file as one flat row of words and marks, without comments, strings and test modules.

use std::str::FromStr as _;

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A word or mark and where it stands. Macro bodies are in it like all else.
#[derive(Debug)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// Braces become `{` and `}`; `::` is one token; literals are left out; so is `#[cfg(test)] mod name { ... }`.
pub fn flatten(source: &str) -> Result<Vec<Token>> {
    let stream = TokenStream::from_str(source)
        .map_err(|error| anyhow!("line {}: {error}", error.span().start().line))?;
    let mut tokens = Vec::new();
    push(stream, &mut tokens);
    Ok(tokens)
}

fn push(stream: TokenStream, tokens: &mut Vec<Token>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    let mut at = 0;
    while let Some(tree) = trees.get(at) {
        if is_test_module(&trees, at) {
            // `#` `[cfg(test)]` `mod` `name` `{...}`
            at += 5;
            continue;
        }
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = marks(group.delimiter());
                tokens.push(Token {
                    text: open.to_owned(),
                    line,
                });
                push(group.stream(), tokens);
                tokens.push(Token {
                    text: close.to_owned(),
                    line: group.span_close().start().line,
                });
            }
            TokenTree::Ident(ident) => tokens.push(Token {
                text: ident.to_string(),
                line,
            }),
            TokenTree::Punct(punct) => {
                let second = matches!(trees.get(at + 1), Some(TokenTree::Punct(next)) if next.as_char() == ':');
                if punct.as_char() == ':' && second {
                    tokens.push(Token {
                        text: "::".to_owned(),
                        line,
                    });
                    at += 1;
                } else {
                    tokens.push(Token {
                        text: punct.as_char().to_string(),
                        line,
                    });
                }
            }
            TokenTree::Literal(_) => {}
        }
        at += 1;
    }
}

fn is_test_module(trees: &[TokenTree], at: usize) -> bool {
    let [
        TokenTree::Punct(hash),
        TokenTree::Group(attribute),
        TokenTree::Ident(word),
        TokenTree::Ident(_),
        TokenTree::Group(_),
    ] = trees.get(at..at + 5).unwrap_or_default()
    else {
        return false;
    };
    hash.as_char() == '#'
        && word == "mod"
        && attribute.stream().to_string().replace(' ', "") == "cfg(test)"
}

fn marks(delimiter: Delimiter) -> (&'static str, &'static str) {
    match delimiter {
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::Parenthesis | Delimiter::None => ("(", ")"),
    }
}
