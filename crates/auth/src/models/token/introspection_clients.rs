//! Resource servers of others that may introspect tokens: configured by id and the SHA-256 of a secret
//! (`INTROSPECTION_CLIENTS`). The secret is as random as a key, so that a fast hash is enough.

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};

/// Longest id, and longest secret that is looked at.
const MAX_ID: usize = 64;
const MAX_SECRET: usize = 256;

/// The configured clients.
#[derive(Debug, Clone, Default)]
pub struct IntrospectionClients(Vec<(String, [u8; 32])>);

/// An entry is not `id:hash`; counted from 1. Names nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "entry {0} is not an id, a colon and the SHA-256 of its secret in hex, or its id occurs twice"
)]
pub struct NotAClient(usize);

impl IntrospectionClients {
    /// From `id:hash,id:hash`; an empty text has none. An id is 1 to 64 of `A-Z a-z 0-9 - _ .`.
    ///
    /// # Errors
    /// [`NotAClient`].
    pub fn parse(text: &str) -> Result<Self, NotAClient> {
        let mut clients: Vec<(String, [u8; 32])> = Vec::new();
        let entries = text.split(',').map(str::trim).filter(|e| !e.is_empty());
        for (index, entry) in entries.enumerate() {
            let wrong = NotAClient(index + 1);
            let (id, hash) = entry.split_once(':').ok_or(wrong)?;
            let is_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            let known = clients.iter().any(|(other, _)| other == id);
            if id.is_empty() || id.len() > MAX_ID || !id.chars().all(is_id) || known {
                return Err(wrong);
            }
            let mut bytes = [0; 32];
            hex::decode_to_slice(hash, &mut bytes).map_err(|_| wrong)?;
            clients.push((id.to_owned(), bytes));
        }
        Ok(Self(clients))
    }

    /// Whether that client has that secret. Takes the same time whether or not the client exists.
    #[must_use]
    pub fn accepts(&self, id: &str, secret: &str) -> bool {
        if secret.len() > MAX_SECRET {
            return false;
        }
        let presented = digest(&SHA256, secret.as_bytes());
        let known = self.0.iter().find(|(other, _)| other == id);
        let expected = known.map_or([0; 32], |(_, hash)| *hash);
        let same = verify_slices_are_equal(presented.as_ref(), &expected).is_ok();
        known.is_some() && same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFy";

    #[test]
    fn a_client_is_known_by_the_hash_of_its_secret() {
        let hash = hex::encode(digest(&SHA256, SECRET.as_bytes()));
        let text = format!("shop:{hash}, blog:{}", "0".repeat(64));
        let clients = IntrospectionClients::parse(&text).unwrap();
        assert!(clients.accepts("shop", SECRET));
        for (id, secret) in [
            ("shop", "other"),
            ("shop", ""),
            ("shop", &hash),
            ("blog", SECRET),
            ("blog", ""),
            ("Shop", SECRET),
            ("nobody", SECRET),
            ("", ""),
        ] {
            assert!(!clients.accepts(id, secret), "{id}");
        }
        assert!(!IntrospectionClients::default().accepts("", ""));
    }

    #[test]
    fn what_is_no_client_is_told_by_its_number() {
        let hash = "0".repeat(64);
        for bad in [
            "shop".to_owned(),
            format!(":{hash}"),
            format!("a b:{hash}"),
            "shop:secret-in-the-wrong-place".to_owned(),
            format!("shop:{}", &hash[1..]),
        ] {
            let error = IntrospectionClients::parse(&format!("ok:{hash},{bad}")).unwrap_err();
            assert_eq!(error, NotAClient(2), "{bad}");
            assert!(!error.to_string().contains("secret-in"));
        }
        assert!(IntrospectionClients::parse(&format!("a:{hash},a:{hash}")).is_err());
        assert!(IntrospectionClients::parse("").unwrap().0.is_empty());
    }
}
