//! The first administrator (SECURITY rule 13).

use diesel::RunQueryDsl as _;
use rstest::rstest;
use testkit::{Backend, TestDatabase};
use ud_db::StoreError;
use ud_kernel::{Code, Service};
use ud_service::StopSignal;
use user_profile_service::{
    Bootstrap, BootstrapOutcome, BootstrapReport,
    models::{BootstrapFlow, ProfileError},
};

use crate::{
    peers::problem,
    world::{Options, PASSWORD, World},
};

fn wanted() -> Bootstrap {
    Bootstrap {
        email: "admin@localhost".to_owned(),
        password: PASSWORD.to_owned().into(),
    }
}

fn flow(world: &World) -> BootstrapFlow {
    let role = world.base.peers.client(Service::Role);
    BootstrapFlow::new(
        world.registration_flow(),
        role,
        world.clock.clone(),
        BootstrapReport::default(),
    )
}

#[rstest]
#[tokio::test]
async fn a_service_that_starts_makes_it_and_says_so(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let database = TestDatabase::create(backend);
    let options = Options {
        bootstrap: Some(wanted()),
        ..Options::default()
    };
    let world = World::start(database, options).await;
    let mut report = world.report.subscribe();
    let outcome = report
        .wait_for(BootstrapOutcome::is_final)
        .await
        .unwrap()
        .clone();
    let BootstrapOutcome::Created(id) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(world.role.state().administrator, Some(id.to_string()));
    assert_eq!(
        world.stored(id).await.unwrap().email.as_deref(),
        Some("admin@localhost")
    );
    // The next start, with another password too.
    let again = Bootstrap {
        password: "another good passphrase".to_owned().into(),
        ..wanted()
    };
    assert_eq!(
        flow(&world).attempt(&again).await.unwrap(),
        BootstrapOutcome::AlreadyMade
    );
    let other = Bootstrap {
        email: "other@localhost".to_owned(),
        ..wanted()
    };
    assert_eq!(
        flow(&world).attempt(&other).await.unwrap(),
        BootstrapOutcome::AlreadyMade
    );
    assert_eq!(world.stored_ids().await, [id]);
}

#[rstest]
#[tokio::test]
async fn whatever_stops_it_the_next_attempt_goes_on(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let wanted = wanted();
    world.auth.state().is_down = true;
    assert!(matches!(
        flow(&world).attempt(&wanted).await,
        Err(ProfileError::Peer(_))
    ));
    {
        let mut auth = world.auth.state();
        (auth.is_down, auth.loses_answers) = (false, true);
    }
    assert!(matches!(
        flow(&world).attempt(&wanted).await,
        Err(ProfileError::Peer(_))
    ));
    world.auth.state().loses_answers = false;
    world.role.state().is_down = true;
    assert!(matches!(
        flow(&world).attempt(&wanted).await,
        Err(ProfileError::Peer(_))
    ));
    world.role.state().is_down = false;
    world
        .clock
        .advance(std::time::Duration::from_secs(48 * 3600));
    let outcome = flow(&world).attempt(&wanted).await.unwrap();
    assert!(
        matches!(outcome, BootstrapOutcome::Created(_)),
        "{outcome:?}"
    );
    let ids = world.stored_ids().await;
    assert_eq!(ids.len(), 1);
    let admin = world.stored(ids[0]).await.unwrap();
    assert!(
        admin.email_verified,
        "who configures the address vouches for it"
    );
    assert_eq!(
        (admin.version, world.events_about(ids[0]).await.len()),
        (1, 1)
    );
    assert_eq!(
        flow(&world).attempt(&wanted).await.unwrap(),
        BootstrapOutcome::AlreadyMade
    );
    // One made by a version that did not vouch is vouched for at the next start, once.
    world
        .db
        .tx(|conn| {
            diesel::sql_query("UPDATE users SET email_verified = false").execute(conn)?;
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    for _ in 0..2 {
        let again = flow(&world).attempt(&wanted).await.unwrap();
        assert_eq!(again, BootstrapOutcome::AlreadyMade);
        let admin = world.stored(ids[0]).await.unwrap();
        assert_eq!((admin.email_verified, admin.version), (true, 2));
        assert_eq!(world.events_about(ids[0]).await.len(), 2);
    }
}

#[rstest]
#[tokio::test]
async fn an_existing_account_is_never_promoted(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    world.register_email("admin@localhost").await;
    let outcome = flow(&world).attempt(&wanted()).await.unwrap();
    assert!(
        matches!(outcome, BootstrapOutcome::Refused(_)),
        "{outcome:?}"
    );
    assert_eq!(world.role.state().administrator, None);
    assert_eq!(world.stored_ids().await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn another_administrator_or_a_bad_password_end_it(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    world.role.state().administrator = Some("somebody".to_owned());
    assert_eq!(
        flow(&world).attempt(&wanted()).await.unwrap(),
        BootstrapOutcome::AlreadyMade
    );
    let mut refusal = problem(Code::REQUEST_VALIDATION_FAILED);
    refusal["errors"] = serde_json::json!([{"pointer": "/password", "code": "password.common", "detail": "too common"}]);
    world.auth.state().refusal = Some((422, refusal.clone()));
    let other = Bootstrap {
        email: "b@localhost".to_owned(),
        ..wanted()
    };
    // The first one holds the installation's key.
    assert_eq!(
        flow(&world).attempt(&other).await.unwrap(),
        BootstrapOutcome::AlreadyMade
    );

    let world = World::on(backend).await;
    world.auth.state().refusal = Some((422, refusal));
    let BootstrapOutcome::Refused(why) = flow(&world).attempt(&wanted()).await.unwrap() else {
        panic!("a password that auth refuses");
    };
    assert!(
        why.contains("/password") && !why.contains(PASSWORD),
        "{why}"
    );
    assert_eq!(world.stored_ids().await, []);
}

#[tokio::test]
async fn a_stop_ends_the_waiting() {
    let database = TestDatabase::create(Backend::Sqlite);
    let world = World::start(
        database,
        Options {
            no_auth: true,
            ..Options::default()
        },
    )
    .await;
    let (stop, signal) = StopSignal::pair();
    let run = tokio::spawn(flow(&world).run(wanted(), signal));
    stop.send_replace(true);
    run.await.unwrap();
}
