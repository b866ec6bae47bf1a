//! The bare handlers: actix-web and nothing else.

use std::{fs, io, path::PathBuf, sync::Arc};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::header::{AUTHORIZATION, HeaderName, HeaderValue},
    web::{self, Bytes, Data},
};
use clap::{Args, ValueEnum};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{Jwk, JwkSet},
};
use serde::Deserialize;
use ud_jwt::outbound_client;

use super::Canned;

/// What a bare handler does before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Work {
    /// Nothing.
    Answer,
    /// Decodes and verifies the token, each time anew.
    Decode,
    /// Calls two others, one after the other.
    Call,
}

/// Arguments of `bench serve`.
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// What to do before each answer
    work: Work,
    /// Port of 127.0.0.1
    #[arg(long)]
    port: u16,
    /// The answer
    #[arg(long)]
    file: PathBuf,
    /// Address of the verification keys
    #[arg(long, default_value = "")]
    jwks: String,
    /// Address of the first call, a GET
    #[arg(long, default_value = "")]
    first: String,
    /// Address of the second call, a POST
    #[arg(long, default_value = "")]
    then: String,
    /// Body of the second call
    #[arg(long, default_value = "")]
    body: String,
}

struct Answer {
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Answer {
    fn give(&self) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        for header in &self.headers {
            response.append_header(header.clone());
        }
        response.body(self.body.clone())
    }
}

/// What is known of the keys, and of what a token must say.
struct Keys {
    keys: Vec<(String, DecodingKey)>,
    validation: Validation,
}

/// Who is called, and how.
struct Calls {
    http: reqwest::Client,
    first: String,
    then: String,
    body: Bytes,
}

/// Claims that somebody who decodes a token for each request would read.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    sid: String,
    roles: Vec<String>,
}

/// Serves until the process is killed.
///
/// # Errors
/// If the port, the file or the keys cannot be had.
///
/// # Panics
/// If the answer cannot stand in HTTP.
pub fn run(serve: Serve) -> io::Result<()> {
    let canned: Canned = serde_json::from_slice(&fs::read(&serve.file)?)?;
    let header = |(name, value): &(String, String)| {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
        (
            name,
            HeaderValue::from_str(value).expect("a header's value"),
        )
    };
    let answer = Answer {
        headers: canned.headers.iter().map(header).collect(),
        body: canned.body.into(),
    };
    let answer = Data::from(Arc::new(answer));
    actix_web::rt::System::new().block_on(async move {
        let keys = match serve.work {
            Work::Decode => Some(Data::from(Arc::new(fetch_keys(&serve.jwks).await?))),
            _ => None,
        };
        let http = outbound_client([]).tcp_nodelay(true).build();
        let calls = Data::from(Arc::new(Calls {
            http: http.map_err(io::Error::other)?,
            first: serve.first,
            then: serve.then,
            body: serve.body.into(),
        }));
        let work = serve.work;
        HttpServer::new(move || {
            let app = App::new().app_data(answer.clone()).app_data(calls.clone());
            let app = match &keys {
                Some(keys) => app.app_data(keys.clone()),
                None => app,
            };
            let app = app.route("/ready", web::get().to(HttpResponse::Ok));
            let path = "/{path:.*}";
            match work {
                Work::Answer => app.route(path, web::to(give)),
                Work::Decode => app.route(path, web::to(decode_and_give)),
                Work::Call => app.route(path, web::to(call_and_give)),
            }
        })
        .bind(("127.0.0.1", serve.port))?
        .run()
        .await
    })
}

async fn give(answer: Data<Answer>, _: Bytes) -> HttpResponse {
    answer.give()
}

async fn decode_and_give(
    answer: Data<Answer>,
    keys: Data<Keys>,
    request: HttpRequest,
) -> HttpResponse {
    let token = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    match token.and_then(|token| keys.verify(token)) {
        Some(claims)
            if !claims.sub.is_empty() && !claims.sid.is_empty() && !claims.roles.is_empty() =>
        {
            answer.give()
        }
        _ => HttpResponse::Unauthorized().finish(),
    }
}

async fn call_and_give(answer: Data<Answer>, calls: Data<Calls>, _: Bytes) -> HttpResponse {
    match calls.both().await {
        Ok(_) => answer.give(),
        Err(_) => HttpResponse::ServiceUnavailable().finish(),
    }
}

impl Keys {
    fn verify(&self, token: &str) -> Option<Claims> {
        let kid = decode_header(token).ok()?.kid?;
        let (_, key) = self.keys.iter().find(|(known, _)| *known == kid)?;
        let token = decode::<Claims>(token, key, &self.validation).ok()?;
        Some(token.claims)
    }
}

impl Calls {
    async fn both(&self) -> Result<usize, reqwest::Error> {
        let first = self
            .http
            .get(&self.first)
            .send()
            .await?
            .error_for_status()?;
        let access = first.bytes().await?;
        let then = self
            .http
            .post(&self.then)
            .header("content-type", "application/json");
        let then = then
            .body(self.body.clone())
            .send()
            .await?
            .error_for_status()?;
        Ok(access.len() + then.bytes().await?.len())
    }
}

async fn fetch_keys(url: &str) -> io::Result<Keys> {
    let http = outbound_client([]).build().map_err(io::Error::other)?;
    let answer = http.get(url).send().await.map_err(io::Error::other)?;
    let set: JwkSet = answer.json().await.map_err(io::Error::other)?;
    let key = |jwk: &Jwk| {
        let id = jwk.common.key_id.clone().unwrap_or_default();
        Ok((id, DecodingKey::from_jwk(jwk)?))
    };
    let keys: Result<Vec<_>, jsonwebtoken::errors::Error> = set.keys.iter().map(key).collect();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.validate_aud = false;
    Ok(Keys {
        keys: keys.map_err(io::Error::other)?,
        validation,
    })
}
