//! A webhook as the deliver thread takes it up, at its start and when the settings change: what it asks
//! for, on what terms, where it sends to, and what keeps it from that.

use std::sync::Arc;

use uuid::Uuid;

use super::endpoint::Endpoint;
use super::handle::Notice;
use super::render::Renderers;
use super::scheduler::Scheduler;
use super::settings::Terms;
use super::thread::Endpoints;
use crate::filter::Filters;
use crate::route::Selection;
use crate::time::Now;

pub(super) struct Standing {
    pub(super) id: Uuid,
    pub(super) revision: u32,
    pub(super) terms: Terms,
    pub(super) selection: Selection,
    /// `None`: it has none under these settings.
    pub(super) endpoint: Option<Endpoint>,
    /// Its own filters.
    pub(super) filters: Option<Arc<Filters>>,
    /// Why it can't be delivered to.
    pub(super) unfit: Option<String>,
}

impl Standing {
    /// Puts it in force. One that can't be delivered to keeps its events, and that is told once.
    pub(super) fn take(
        self,
        scheduler: &mut Scheduler,
        (endpoints, renderers): (&mut Endpoints, &mut Renderers),
        notice: &mut dyn FnMut(&Notice),
        now: Now,
    ) {
        let (id, revision) = (self.id, self.revision);
        scheduler.put(id, revision, self.terms, self.selection, now);
        renderers.put(id, self.filters);
        let revisions = endpoints.entry(id).or_default();
        revisions.retain(|(known, _)| *known != revision);
        if let Some(endpoint) = self.endpoint {
            scheduler.authenticate(id, endpoint.token_source());
            revisions.push((revision, Arc::new(endpoint)));
            scheduler.retarget(id, Endpoint::elsewhere(revisions));
        }
        match self.unfit {
            None => scheduler.set_fit(id, now),
            Some(why) => {
                if scheduler.set_unfit(id, why.clone()) {
                    notice(&Notice::Unfit { webhook: id, why });
                }
            }
        }
    }
}
