//! Reads a `down.sql` and says what it takes away, in words for the operator who is about to run it. A statement that it does
//! not understand is shown as it is: nothing is left out.

/// A piece of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// A keyword, or a name without quotes.
    Word(String),
    /// A name in quotes.
    Quoted(String),
    /// Text between single quotes, or a dollar-quoted body.
    Text,
    /// Anything else.
    Sign(char),
}

/// A statement: its pieces, and itself on one line, without comments.
#[derive(Debug, Default)]
struct Statement {
    tokens: Vec<Token>,
    text: String,
}

/// Returns a line or more for each statement of `down`, in their order.
pub(crate) fn drops(down: &str) -> Vec<String> {
    statements(down).iter().flat_map(describe).collect()
}

fn describe(statement: &Statement) -> Vec<String> {
    let text = statement.text.trim();
    let mut rest = Rest(&statement.tokens);
    let described = match rest.word().as_deref() {
        Some("DROP") => dropped(&mut rest),
        Some("DELETE") => deleted(&mut rest, text),
        Some("TRUNCATE") => truncated(&mut rest),
        Some("ALTER") => altered(&mut rest, text),
        Some("CREATE") => created(&mut rest),
        _ => None,
    };
    described.unwrap_or_else(|| vec![format!("runs: {text}")])
}

/// `DROP <kind> [IF EXISTS] <name> [, <name>]... [ON <table>] [CASCADE]`.
fn dropped(rest: &mut Rest<'_>) -> Option<Vec<String>> {
    let mut kind = rest.word()?;
    while matches!(&*kind, "TEMPORARY" | "MATERIALIZED" | "FOREIGN" | "ONLINE") {
        kind = rest.word()?;
    }
    rest.skip("CONCURRENTLY");
    rest.skip_if_exists();
    let names = rest.names()?;
    let on = if rest.skip("ON") { rest.name() } else { None };
    let on = on.map_or_else(String::new, |table| format!(" of table {table}"));
    let with = match (&*kind, rest.holds("CASCADE")) {
        ("TABLE", true) => ", with all its rows, and what depends on it",
        ("TABLE", false) => ", with all its rows",
        (_, true) => ", and what depends on it",
        (_, false) => "",
    };
    let kind = kind.to_lowercase();
    let line = |name| format!("drops {kind} {name}{on}{with}");
    Some(names.into_iter().map(line).collect())
}

/// `DELETE FROM <table> [...]`.
fn deleted(rest: &mut Rest<'_>, text: &str) -> Option<Vec<String>> {
    let table = rest.skip("FROM").then(|| rest.name())??;
    Some(vec![if rest.0.is_empty() {
        format!("deletes all rows of table {table}")
    } else {
        format!("deletes rows of table {table}: {text}")
    }])
}

/// `TRUNCATE [TABLE] <name> [, <name>]...`.
fn truncated(rest: &mut Rest<'_>) -> Option<Vec<String>> {
    rest.skip("TABLE");
    rest.skip("ONLY");
    let line = |table| format!("deletes all rows of table {table}");
    Some(rest.names()?.into_iter().map(line).collect())
}

/// `ALTER TABLE <table> <action> [, <action>]...`.
fn altered(rest: &mut Rest<'_>, text: &str) -> Option<Vec<String>> {
    if !rest.skip("TABLE") {
        return None;
    }
    rest.skip_if_exists();
    rest.skip("ONLY");
    let table = rest.name()?;
    let mut lines = Vec::new();
    let mut is_all = true;
    for action in rest.actions() {
        match lost(&mut Rest(action), &table) {
            Some(line) => lines.push(line),
            None => is_all = false,
        }
    }
    if !is_all {
        lines.push(format!("changes table {table}: {text}"));
    }
    Some(lines)
}

/// What one action of an `ALTER TABLE` drops.
fn lost(rest: &mut Rest<'_>, table: &str) -> Option<String> {
    if !rest.skip("DROP") {
        return None;
    }
    if rest.skip("PRIMARY") {
        return Some(format!("drops the primary key of table {table}"));
    }
    let kind = if rest.skip("COLUMN") {
        None
    } else if rest.skip("INDEX") || rest.skip("KEY") {
        Some("index")
    } else if rest.skip("CONSTRAINT") || rest.skip("CHECK") {
        Some("constraint")
    } else if rest.skip("FOREIGN") {
        rest.skip("KEY");
        Some("constraint")
    } else if rest.skip("PARTITION") {
        Some("partition")
    } else {
        // The word may be left out.
        None
    };
    rest.skip_if_exists();
    let name = rest.name()?;
    Some(match kind {
        None => format!("drops column {table}.{name}"),
        Some("partition") => format!("drops partition {name} of table {table}, with all its rows"),
        Some(kind) => format!("drops {kind} {name} of table {table}"),
    })
}

/// `CREATE [UNIQUE] <kind> [IF NOT EXISTS] <name>`: what comes back, empty.
fn created(rest: &mut Rest<'_>) -> Option<Vec<String>> {
    rest.skip("UNIQUE");
    let kind = rest
        .word()
        .filter(|kind| kind == "TABLE" || kind == "INDEX")?;
    rest.skip("IF");
    rest.skip("NOT");
    rest.skip("EXISTS");
    let (kind, name) = (kind.to_lowercase(), rest.name()?);
    let empty = if kind == "table" { ", empty" } else { "" };
    Some(vec![format!("makes {kind} {name} again{empty}")])
}

/// The pieces of a statement that have not been read yet.
struct Rest<'a>(&'a [Token]);

impl<'a> Rest<'a> {
    /// The next keyword, in upper case.
    fn word(&mut self) -> Option<String> {
        let (Token::Word(word), rest) = self.0.split_first()? else {
            return None;
        };
        self.0 = rest;
        Some(word.to_ascii_uppercase())
    }

    /// Passes the next piece if it is this keyword.
    fn skip(&mut self, keyword: &str) -> bool {
        match self.0.split_first() {
            Some((Token::Word(word), rest)) if word.eq_ignore_ascii_case(keyword) => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn skip_if_exists(&mut self) {
        if self.skip("IF") {
            self.skip("EXISTS");
        }
    }

    fn skip_sign(&mut self, sign: char) -> bool {
        let is_it = self.0.first() == Some(&Token::Sign(sign));
        if is_it {
            self.0 = self.0.get(1..).unwrap_or_default();
        }
        is_it
    }

    /// The next name, with its schema if it has one.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        loop {
            let (Token::Word(part) | Token::Quoted(part), rest) = self.0.split_first()? else {
                return None;
            };
            name.push_str(part);
            self.0 = rest;
            if !self.skip_sign('.') {
                return Some(name);
            }
            name.push('.');
        }
    }

    /// Names between commas.
    fn names(&mut self) -> Option<Vec<String>> {
        let mut names = vec![self.name()?];
        while self.skip_sign(',') {
            names.push(self.name()?);
        }
        Some(names)
    }

    fn holds(&self, keyword: &str) -> bool {
        let is_it =
            |token: &Token| matches!(token, Token::Word(w) if w.eq_ignore_ascii_case(keyword));
        self.0.iter().any(is_it)
    }

    /// What stands between commas that are in no parentheses.
    fn actions(&self) -> impl Iterator<Item = &'a [Token]> {
        let mut depth = 0_usize;
        self.0.split(move |token| {
            match token {
                Token::Sign('(') => depth += 1,
                Token::Sign(')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && *token == Token::Sign(',')
        })
    }
}

fn statements(sql: &str) -> Vec<Statement> {
    let mut all = Vec::new();
    let mut statement = Statement::default();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        if first == ';' {
            all.push(std::mem::take(&mut statement));
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        let (token, length) = next(rest, first);
        let (read, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        match token {
            Some(token) => {
                statement.tokens.push(token);
                statement.text.push_str(read);
            }
            None if !statement.text.is_empty() && !statement.text.ends_with(' ') => {
                statement.text.push(' ');
            }
            None => {}
        }
        rest = after;
    }
    all.push(statement);
    all.retain(|statement| !statement.tokens.is_empty());
    all
}

/// The piece at the beginning of `rest`, `None` for space and comments, and how many bytes it has.
fn next(rest: &str, first: char) -> (Option<Token>, usize) {
    let until = |end: &str, from: usize| {
        let tail = rest.get(from..).unwrap_or_default();
        tail.find(end)
            .map_or(rest.len(), |at| from + at + end.len())
    };
    let inner = |length: usize| {
        let end = length.saturating_sub(1).max(1);
        rest.get(1..end).unwrap_or_default().to_owned()
    };
    match first {
        c if c.is_whitespace() => (None, c.len_utf8()),
        '-' if rest.starts_with("--") => (None, until("\n", 2)),
        // MySQL runs what is in such a comment.
        '/' if rest.starts_with("/*!") || rest.starts_with("/*M!") => {
            let marker = until("!", 2);
            let digits = rest.get(marker..).unwrap_or_default();
            let digits = digits.bytes().take_while(u8::is_ascii_digit).count();
            (None, marker + digits)
        }
        '*' if rest.starts_with("*/") => (None, 2),
        '/' if rest.starts_with("/*") => (None, until("*/", 2)),
        '\'' => (Some(Token::Text), until("'", 1)),
        '"' | '`' => {
            let length = until(if first == '"' { "\"" } else { "`" }, 1);
            (Some(Token::Quoted(inner(length))), length)
        }
        '$' => match rest.get(1..).and_then(|tail| tail.find('$')) {
            Some(end) => {
                let tag = rest.get(..end + 2).unwrap_or_default();
                (Some(Token::Text), until(tag, tag.len()))
            }
            None => (Some(Token::Sign('$')), 1),
        },
        c if c.is_alphanumeric() || c == '_' => {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let word = rest.get(..end).unwrap_or_default();
            (Some(Token::Word(word.to_owned())), end)
        }
        c => (Some(Token::Sign(c)), c.len_utf8()),
    }
}

#[cfg(test)]
#[path = "drops_tests.rs"]
mod tests;
