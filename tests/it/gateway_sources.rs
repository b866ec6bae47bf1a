//! Who asks, as the gateway's zones see it: IPv4 addresses, and the /64 of IPv6 addresses (SECURITY rules 11 and 26).

use end_to_end::{Gateway, Limits, Ports};
use reqwest::Client;

/// A gateway whose client's address is what a test says, with the key of its zones as an answer.
async fn start(limits: &Limits) -> (Gateway, Ports, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let ports = Ports::reserve();
    let upstreams =
        ["auth", "role", "session", "audit", "profile"].map(|name| (name, ports.get(1)));
    let gateway = Gateway::start_with_chosen_addresses(
        &folder.path().join("nginx"),
        ports.get(0),
        &upstreams,
        limits,
        "location = /source { default_type text/plain; return 200 $source; }\n\
         location = /limited { limit_req zone=login burst=20 nodelay; limit_req_status 429; }\n",
    );
    gateway.until_ready().await;
    (gateway, ports, folder)
}

async fn source(client: &Client, ports: &Ports, address: &str) -> Vec<u8> {
    let url = format!("http://127.0.0.1:{}/source", ports.get(0));
    let answer = client.get(url).header("x-test-address", address).send();
    answer.await.unwrap().bytes().await.unwrap().to_vec()
}

#[tokio::test]
async fn zones_key_by_the_64_of_ipv6_however_it_is_spelt() {
    let (_gateway, ports, _folder) = start(&Limits::Shipped).await;
    let client = Client::new();
    for (address, key) in [
        ("198.51.100.1", &[198, 51, 100, 1][..]),
        ("::ffff:198.51.100.1", &[198, 51, 100, 1]),
        ("10.10.10.10", &[10, 10, 10, 10]),
        ("2001:db8::1", &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0]),
        ("2001:db8::5:6:7:8", &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0]),
        ("2001:db8:0:0:5::", &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0]),
        ("2001:db8:1:2:3:4:5:6", &[0x20, 1, 0xd, 0xb8, 0, 1, 0, 2]),
        ("2001:db8:1:2::", &[0x20, 1, 0xd, 0xb8, 0, 1, 0, 2]),
        ("2001:db8:0:2::1", &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 2]),
        ("2001::3:4:5:6:7", &[0x20, 1, 0, 0, 0, 0, 0, 3]),
        ("::1", &[0; 8]),
        ("::3:4:5:6:7:8", &[0, 0, 0, 0, 0, 3, 0, 4]),
        // Line feeds, NULs and quotes among the bytes.
        ("a0a:a0a:a0a:a0a:a0a:a0a:a0a:a0a", &[10; 8]),
        (
            "2200:22:2727:0:a:a:a:a",
            &[0x22, 0, 0, 0x22, 0x27, 0x27, 0, 0],
        ),
        ("ffff::ffff:198.51.100.1", &[0xff, 0xff, 0, 0, 0, 0, 0, 0]),
    ] {
        let found = source(&client, &ports, address).await;
        assert_eq!(found, key, "{address}");
    }
}

#[tokio::test]
async fn a_subscriber_of_ipv6_has_one_limit_at_the_gateway() {
    let limits = Limits::Rates("1r/m".to_owned(), "1r/m".to_owned());
    let (_gateway, ports, _folder) = start(&limits).await;
    let client = Client::new();
    // `return` comes before limits: a file that is not there does not.
    let url = format!("http://127.0.0.1:{}/limited", ports.get(0));
    let ask = async |address: String| {
        let answer = client.get(&url).header("x-test-address", address).send();
        answer.await.unwrap().status().as_u16()
    };
    let mut limited = 0;
    for host in 0..30 {
        let status = ask(format!("2001:db8:1:2:{host:x}:{host:x}::{host:x}")).await;
        assert!([404, 429].contains(&status), "{status}");
        limited += usize::from(status == 429);
    }
    assert_eq!(limited, 9, "one and the burst of 20 pass");
    assert_eq!(ask("2001:db8:1:3::1".to_owned()).await, 404, "another /64");
    assert_eq!(ask("198.51.100.1".to_owned()).await, 404);
}
