//! TLS on our own listeners, by rustls with aws-lc-rs.

use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use ud_config::TlsConfig;

use crate::StartError;

/// Reads certificate chain and key, in PEM.
///
/// # Errors
/// If a file cannot be read or the two do not fit.
pub(crate) fn server_config(files: &TlsConfig) -> Result<ServerConfig, StartError> {
    let chain = CertificateDer::pem_file_iter(&files.cert_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| StartError::config(format!("{}: {e}", files.cert_file.display())))?;
    let key = PrivateKeyDer::from_pem_file(&files.key_file)
        .map_err(|e| StartError::config(format!("{}: {e}", files.key_file.display())))?;
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|b| b.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|e| StartError::config(format!("TLS: {e}")))
}
