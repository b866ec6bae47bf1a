use testkit::{Backend, TestDatabase, databases};

#[test]
fn each_test_has_a_database_of_its_own() {
    let first: Vec<TestDatabase> = databases().collect();
    let second: Vec<TestDatabase> = databases().collect();
    let backends: Vec<Backend> = first.iter().map(|database| database.backend).collect();
    assert_eq!(backends, Backend::ALL);
    for (a, b) in first.iter().zip(&second) {
        assert_ne!(a.url, b.url);
        match a.backend {
            Backend::Sqlite => {
                assert_eq!(a.url, format!("sqlite://{}", a.path().unwrap().display()));
                std::fs::write(a.path().unwrap(), "").unwrap();
            }
            Backend::Postgres => {
                a.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1)");
                b.execute("CREATE TABLE t (id int)");
            }
            Backend::Mysql => {
                a.execute(&format!("CREATE TABLE {}.t (id int)", a.name()));
                b.execute(&format!("CREATE TABLE {}.t (id int)", b.name()));
            }
        }
    }
    let path = first[0].path().unwrap();
    drop(first);
    assert!(!path.exists());
    assert!(second[1].url.starts_with("postgres://postgres@127.0.0.1:"));
    assert!(second[2].url.starts_with("mysql://root@127.0.0.1:"));
}

#[test]
fn a_dropped_database_is_gone_even_if_somebody_is_connected() {
    let gone = TestDatabase::create(Backend::Postgres);
    let name = gone.name().to_owned();
    let address = gone
        .url
        .rsplit_once('@')
        .unwrap()
        .1
        .split_once('/')
        .unwrap()
        .0
        .to_owned();
    let _half_open = std::net::TcpStream::connect(address).unwrap();
    drop(gone);
    let other = TestDatabase::create(Backend::Postgres);
    // Fails if the name is still taken.
    other.execute(&format!("CREATE DATABASE {name}"));
    other.execute(&format!("DROP DATABASE {name}"));
}

#[test]
#[should_panic(expected = "syntax")]
fn a_postgres_error_is_told() {
    TestDatabase::create(Backend::Postgres).execute("SELEKT 1");
}

#[test]
#[should_panic(expected = "syntax")]
fn a_mysql_error_is_told() {
    TestDatabase::create(Backend::Mysql).execute("SELEKT 1");
}
