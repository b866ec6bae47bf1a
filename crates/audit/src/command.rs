//! The subcommand of this service.

use ud_db::Db;
use ud_idempotency::IdempotencyKeys;
use ud_kernel::Service;
use ud_kernel::StartError;
use ud_seal::Sealer;

use crate::{ALL_MIGRATIONS, config::AuditConfig};

/// Runs `rewrap`.
///
/// # Errors
/// If the database does not answer or is not migrated, or a key is missing in the ring.
pub(crate) async fn run_rewrap(config: AuditConfig) -> Result<(), StartError> {
    let sealer =
        Sealer::from_config(&config.sealing, Service::Audit).map_err(StartError::config)?;
    let db = Db::open_migrated(&config.database, Service::Audit, &ALL_MIGRATIONS).await?;
    let moved = IdempotencyKeys::rewrap(&db, &sealer)
        .await
        .map_err(StartError::internal)?;
    log::info!("{} values rewrapped", u8::from(moved));
    Ok(())
}
