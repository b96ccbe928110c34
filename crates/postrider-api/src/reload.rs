//! Reading the configuration anew: an extension of the contract. Where it comes from is the host's to
//! know, so the host gives the API what does it.

use crate::failure::Failure;
use crate::message::Response;
use crate::operation::{Answer, Call, Doc, Operation};
use postrider::engine::Reconfigured;
use postrider::store::Grant;
use serde_json::json;

/// Reads the configuration anew and puts it in force; or says what is wrong with it, and that nothing
/// has changed.
pub type Reload = Box<dyn Fn() -> Result<Reconfigured, String> + Send + Sync>;

pub(crate) const OPERATIONS: &[Operation] = &[Operation {
    method: "POST",
    path: "/api/v1/reload",
    grant: Some(Grant::Keys),
    handle: reload,
    doc: Doc {
        id: "reload",
        summary: "Read the configuration anew; for the host and its admin socket alone",
        extension: true,
        query: &[],
        body: None,
        answer: (200, Some("Reloaded")),
    },
}];

fn reload(call: &Call<'_>) -> Answer {
    call.who.host_only("the configuration is the host's")?;
    let reload = call.reload.ok_or_else(|| {
        let why = "this engine reads no configuration file: its host sets its settings";
        Failure::Refused(why.to_owned())
    })?;
    let done = reload().map_err(Failure::Refused)?;
    Ok(Response::results(json!({
        "applied": done.applied,
        "needs_restart": done.needs_restart,
    })))
}
