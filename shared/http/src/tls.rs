//! TLS on our own listeners, by rustls with aws-lc-rs.

use std::sync::{Arc, PoisonError};

use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::signal::unix::Signal;
use ud_config::TlsConfig;

use crate::workers::Tls;
use ud_kernel::StartError;

/// Reads certificate chain and key, in PEM.
///
/// # Errors
/// If a file cannot be read or the two do not fit.
pub(crate) fn server_config(files: &TlsConfig) -> Result<Arc<ServerConfig>, StartError> {
    let chain = CertificateDer::pem_file_iter(&files.cert_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| StartError::config(format!("{}: {e}", files.cert_file.display())))?;
    let key = PrivateKeyDer::from_pem_file(&files.key_file)
        .map_err(|e| StartError::config(format!("{}: {e}", files.key_file.display())))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|b| b.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|e| StartError::config(format!("TLS: {e}")))?;
    // RFC 7301: who offers other protocols alone is refused in the handshake.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// At each SIGHUP reads the files anew, for connections from then on; those that cannot be used leave all as it was.
pub(crate) async fn reload_on_hangup(
    mut hangup: Signal,
    files: Option<TlsConfig>,
    current: Option<Tls>,
) {
    while hangup.recv().await.is_some() {
        let (Some(files), Some(current)) = (&files, &current) else {
            log::info!("SIGHUP: there is no certificate to read again");
            continue;
        };
        match server_config(files) {
            Ok(config) => {
                *current.write().unwrap_or_else(PoisonError::into_inner) = config;
                log::info!("SIGHUP: the certificate was read again");
            }
            Err(error) => log::error!("SIGHUP: the certificate stays as it was: {error}"),
        }
    }
}
