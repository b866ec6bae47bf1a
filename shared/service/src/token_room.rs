//! Whether the configuration leaves enough of an access token for names of roles and permissions (SECURITY rule 14).

use ud_config::{Loader, SigningConfig, TokenConfig, keys};
use ud_jwt::{Algorithm, MIN_NAMES_ROOM, names_room};

/// Returns the algorithm of ud-jwt that a configured one is.
#[must_use]
pub const fn signature_algorithm(configured: ud_config::Algorithm) -> Algorithm {
    match configured {
        ud_config::Algorithm::EdDsa => Algorithm::EdDsa,
        ud_config::Algorithm::Es256 => Algorithm::Es256,
        ud_config::Algorithm::Rs256 => Algorithm::Rs256,
        ud_config::Algorithm::Hs256 => Algorithm::Hs256,
    }
}

/// Reports to `loader` an `ISSUER_URL` and a `JWT_AUDIENCE` that leave less than [`MIN_NAMES_ROOM`] bytes for names.
/// For auth, which signs, and role, which bounds the names.
pub fn require_names_room(loader: &mut Loader) {
    let algorithm = signature_algorithm(SigningConfig::load_algorithm(loader));
    let issuer = loader.text(&keys::ISSUER_URL);
    let audience = loader.text(&keys::JWT_AUDIENCE).unwrap_or_default();
    let issuer = issuer.unwrap_or_else(|| TokenConfig::DEFAULT_ISSUER.to_owned());
    let room = names_room(&issuer, &audience, algorithm);
    if room >= MIN_NAMES_ROOM {
        return;
    }
    let (longer, other) = if issuer.len() >= audience.len() {
        (&keys::ISSUER_URL, &keys::JWT_AUDIENCE)
    } else {
        (&keys::JWT_AUDIENCE, &keys::ISSUER_URL)
    };
    let mut text = format!(
        "is too long for access tokens of 4 KiB: with {} and {algorithm} it leaves {room} bytes for names of roles and \
         permissions, and {MIN_NAMES_ROOM} are needed; shorten it or {}",
        other.name, other.name
    );
    if algorithm == Algorithm::Rs256 {
        text.push_str(", or choose another JWT_ALGORITHM: the signatures of RS256 are the longest");
    }
    loader.problem(longer, text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "b0a35b1cd1d94b6ba84dd4e2c1dd57c9";

    fn problems(issuer: &str, audience: &str, algorithm: &str) -> Result<(), String> {
        let mut pairs = vec![
            ("APP_ENV", "development"),
            ("ISSUER_URL", issuer),
            ("JWT_AUDIENCE", audience),
        ];
        pairs.push(match algorithm {
            "HS256" => ("JWT_SECRET_KEY", SECRET),
            other => ("JWT_ALGORITHM", other),
        });
        let mut loader = Loader::from_pairs(pairs);
        require_names_room(&mut loader);
        loader.finish().map_err(|error| error.to_string())
    }

    proptest! {
        #[test]
        fn a_configuration_leaves_room_for_names_or_is_refused(
            issuer in "https://id\\.example/[a-z]{0,600}",
            audience in "[a-z\"\\\\äß]{1,300}",
            algorithm in prop::sample::select(Algorithm::ALL.to_vec()),
        ) {
            let room = names_room(&issuer, &audience, algorithm);
            let outcome = problems(&issuer, &audience, algorithm.as_str());
            prop_assert_eq!(outcome.is_ok(), room >= MIN_NAMES_ROOM);
            if let Err(text) = outcome {
                for word in ["ISSUER_URL", "JWT_AUDIENCE", algorithm.as_str(), &room.to_string()] {
                    prop_assert!(text.contains(word), "{}", text);
                }
            }
        }
    }

    #[test]
    fn the_longer_one_is_named_first_and_rs256_is_named_as_a_cause() {
        let long = "x".repeat(400);
        let issuer = format!("https://id.example/{long}");
        assert_eq!(problems(&issuer, "a", "EdDSA"), Ok(()));
        let told = problems(&issuer, "a", "RS256").unwrap_err();
        assert!(told.contains("ISSUER_URL: is too long"), "{told}");
        assert!(told.contains("another JWT_ALGORITHM"), "{told}");
        let told = problems("https://id.example", &long.repeat(2), "EdDSA").unwrap_err();
        assert!(told.contains("JWT_AUDIENCE: is too long"), "{told}");
        assert!(!told.contains("another JWT_ALGORITHM"), "{told}");
    }

    #[test]
    fn a_default_configuration_leaves_what_is_documented() {
        let mut loader = Loader::from_pairs([("APP_ENV", "development")]);
        require_names_room(&mut loader);
        assert!(loader.finish().is_ok());
        assert!(names_room(TokenConfig::DEFAULT_ISSUER, "user-domain", Algorithm::EdDsa) >= 2_500);
    }
}
