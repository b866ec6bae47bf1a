//! `healthcheck` tells whether a process lives, `healthcheck --ready` whether it can serve.

use end_to_end::{Kind, Options, Platform};
use testkit::Proxy;
use ud_kernel::Service;

#[tokio::test]
async fn a_service_without_its_store_is_alive_and_not_ready() {
    let mut platform = Options::new(Kind::Services).without_stores().start().await;
    for service in Service::ALL {
        let process = platform.process(service);
        end_to_end::eventually(std::time::Duration::from_secs(30), "it lives", || async {
            (process.run(&["healthcheck"]).await.0 == Some(0)).then_some(())
        })
        .await;
        let (code, output) = process.run(&["healthcheck", "--ready"]).await;
        assert_eq!(code, Some(70), "{service}: {output}");
    }
    let links = platform.links();
    links
        .databases
        .values()
        .chain(&links.redis)
        .for_each(Proxy::resume);
    platform.until_up(true).await;
    for service in Service::ALL {
        let (code, output) = platform
            .process(service)
            .run(&["healthcheck", "--ready"])
            .await;
        assert_eq!(code, Some(0), "{service}: {output}");
    }
}

#[tokio::test]
async fn standalone_tells_the_same() {
    let platform = Platform::standalone().await;
    let process = platform.process(Service::Auth);
    for arguments in [&["healthcheck"][..], &["healthcheck", "--ready"]] {
        let (code, output) = process.run(arguments).await;
        assert_eq!(code, Some(0), "{output}");
    }
    process.kill();
    for arguments in [&["healthcheck"][..], &["healthcheck", "--ready"]] {
        let (code, output) = process.run(arguments).await;
        assert_eq!(code, Some(70), "{output}");
    }
}
