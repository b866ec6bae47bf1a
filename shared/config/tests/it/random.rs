use proptest::{prelude::*, sample::select};
use ud_config::{
    DatabaseConfig, HttpConfig, IdentityConfig, Loader, LogConfig, PasswordConfig, PeersConfig,
    RedisConfig, RegistrationConfig, SigningConfig, StandaloneConfig, TokenConfig, keys,
};
use ud_kernel::Service;

/// Loads everything; the debug text of all of it.
fn load_all(loader: &mut Loader) -> String {
    let mut debug = String::new();
    for service in Service::ALL {
        debug += &format!(
            "{:?}",
            (
                loader.app_env(),
                HttpConfig::load(loader, service),
                DatabaseConfig::load(loader, service),
                IdentityConfig::load(loader, service),
                PeersConfig::load(loader, service),
                TokenConfig::load(loader, service),
                SigningConfig::load(loader, service),
                LogConfig::load(loader, service),
                PasswordConfig::load(loader, service),
                RegistrationConfig::load(loader, service),
                RedisConfig::load(loader, service),
            )
        );
    }
    let standalone = StandaloneConfig::load(loader);
    for key in keys::all().filter(|key| key.name.starts_with("LIMIT_")) {
        loader.limit(key);
    }
    debug + &format!("{standalone:?}{loader:?}")
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(keys::every_name()),
        1 => "(AUTH|JWT|LIMIT)_[A-Z_]{0,12}",
        1 => "[^=\0]{1,20}",
    ]
}

fn value() -> impl Strategy<Value = String> {
    let known = [
        "true",
        "0",
        "8080",
        "production",
        "development",
        "HS256",
        "info",
        "http://[::1]:1",
        "sqlite://",
        "postgres://a:b@c:1/d?host=e",
        "mysql://%zz/x",
        "redis://h#f",
        "1/1",
        "127.0.0.1",
        "k:AAAA",
        "::/0",
    ];
    prop_oneof![
        select(known.map(str::to_owned).to_vec()),
        ".{0,40}",
        "[a-z:/@?#,=%0-9]{0,60}"
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_loader_never_panics(
        pairs in prop::collection::vec((name(), value()), 0..30),
        standalone: bool,
    ) {
        let mut loader = Loader::from_pairs(pairs);
        if standalone {
            loader = loader.for_standalone();
        }
        load_all(&mut loader);
        if let Err(errors) = loader.finish() {
            prop_assert!(!errors.problems.is_empty());
            for problem in errors.problems {
                prop_assert!(!problem.to_string().contains(['\n', '\r', '\x1b']), "{problem:?}");
            }
        }
    }

    #[test]
    fn a_file_of_anything_never_panics(bytes: Vec<u8>, text in "([A-Z_]{1,9}=?[^\n]{0,20}\n){0,6}") {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        for content in [bytes.as_slice(), text.as_bytes()] {
            std::fs::write(&file, content).unwrap();
            let mut loader = Loader::from_parts([], Some(&file));
            load_all(&mut loader);
            let _ = loader.finish();
        }
    }

    #[test]
    fn no_secret_is_ever_shown(
        filler in "[a-z0-9:/@?#,=.%-]{0,24}",
        shape in select(vec!["{}", "postgres://u:{}@h/d", "redis://:{}@h", "mysql://{}", "{}:AAAA", "k:{}", "sqlite://{}"]),
        production: bool,
    ) {
        let marker = "Xq7Zk2Wv9";
        let text = shape.replace("{}", &format!("{filler}{marker}{filler}"));
        let secrets = keys::all().filter(|key| key.secret).flat_map(|key| [key.name.to_string(), key.of(Service::Auth).name.into_owned()]);
        let env = if production { "production" } else { "development" };
        let pairs = secrets.map(|name| (name, text.clone())).chain([("APP_ENV".to_owned(), env.to_owned())]);
        let mut loader = Loader::from_pairs(pairs);
        let debug = load_all(&mut loader);
        prop_assert!(!debug.contains(marker), "{debug}");
        if let Err(errors) = loader.finish() {
            prop_assert!(!errors.to_string().contains(marker), "{errors}");
        }
    }
}
