//! Every path of the service.

use std::sync::Arc;

use actix_web::web;
use ud_events::{SqlEvents, events_resource};
use ud_http::Routes;
use ud_kernel::Clock;
use ud_telemetry::Metrics;

use crate::{
    controllers::{
        delete_user::delete_user,
        list_users::list_users,
        read_user::{read_me, read_user},
        receive_events::apply,
        register_user::register_user,
        search_users::search_users,
        suspend_user::{reactivate_user, suspend_user},
        unlock_user::unlock_user,
        update_user::update_user,
    },
    problem::store_problem,
    state::ProfileState,
};

/// The public listener.
#[must_use]
pub fn public(state: ProfileState) -> Routes {
    let state = web::Data::new(state);
    Arc::new(move |cfg| {
        cfg.app_data(state.clone())
            .service(
                web::resource("/api/v1/users")
                    .route(web::post().to(register_user))
                    .route(web::get().to(list_users)),
            )
            .service(web::resource("/api/v1/users/me").route(web::get().to(read_me)))
            .service(web::resource("/api/v1/users/search").route(web::post().to(search_users)))
            .service(
                web::resource("/api/v1/users/{id}")
                    .route(web::get().to(read_user))
                    .route(web::patch().to(update_user))
                    .route(web::delete().to(delete_user)),
            )
            .service(
                web::resource("/api/v1/users/{id}/suspend").route(web::post().to(suspend_user)),
            )
            .service(
                web::resource("/api/v1/users/{id}/reactivate")
                    .route(web::post().to(reactivate_user)),
            )
            .service(web::resource("/api/v1/users/{id}/unlock").route(web::post().to(unlock_user)));
    })
}

/// The internal listener.
#[must_use]
pub fn internal(events: SqlEvents, clock: Clock, metrics: Metrics) -> Routes {
    Arc::new(move |cfg| {
        let (events, clock) = (events.clone(), clock.clone());
        cfg.service(events_resource(&metrics, move |_, batch| {
            let (events, clock) = (events.clone(), clock.clone());
            async move {
                let apply = move |conn: &mut _, event: &_| apply(conn, event, &clock);
                events
                    .receive(batch, apply)
                    .await
                    .map_err(|error| store_problem(&error))
            }
        }));
    })
}
