//! Says of opens and clicks by what they were made, and where: `user_agent_parsed` out of `user_agent`, `geo_ip` out of
//! `ip_address`.
//!
//! ```json
//! {"user_agents": "/usr/share/uap-core/regexes.yaml", "geo_ip": "/var/lib/GeoIP/GeoLite2-City.mmdb"}
//! ```
//!
//! | Setting | | Default |
//! |---|---|---|
//! | `user_agents` | the `regexes.yaml` of [uap-core](https://github.com/ua-parser/uap-core) | user agents are not parsed |
//! | `geo_ip` | a database of cities or countries in MaxMind's format | places are not looked up |
//! | `events` | event types that are enriched | those with both fields in the catalogue: opens and clicks, AMP's too |
//! | `overwrite` | also where the event has the field | `false` |
//!
//! At least one of the files must be named. Both are the operator's because both go stale within months: they are read
//! and checked when the filter is loaded, and read again by `postrider filter reload`. An agent that the file does not
//! know and an address that the database does not have leave the event as it was.

mod agent;
mod place;

use agent::Agents;
use place::Places;
use postrider_filter::{Error, Event, Field, Filter, Host, Type, Value, export};
use serde::Deserialize;
use std::ffi::CStr;
use std::path::PathBuf;

/// What an operator sets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    user_agents: Option<PathBuf>,
    geo_ip: Option<PathBuf>,
    #[serde(default = "opens_and_clicks")]
    events: Vec<String>,
    #[serde(default)]
    overwrite: bool,
}

fn opens_and_clicks() -> Vec<String> {
    let types = [
        "open",
        "initial_open",
        "click",
        "amp_open",
        "amp_initial_open",
        "amp_click",
    ];
    types.map(String::from).to_vec()
}

/// The filter.
pub struct Enrich {
    agents: Option<Agents>,
    places: Option<Places>,
    types: Vec<Type>,
    overwrite: bool,
    user_agent: Field,
    user_agent_parsed: Field,
    ip_address: Field,
    geo_ip: Field,
}

impl Filter for Enrich {
    const ID: &'static CStr = c"enrich";
    const VERSION: &'static CStr = c"1.0";
    const SUMMARY: &'static CStr = c"User agents parsed, places of addresses";
    type Config = Config;

    fn create(host: &Host, config: Config) -> Result<Self, Error> {
        if config.user_agents.is_none() && config.geo_ip.is_none() {
            return Err(Error::new(
                "name a file: user_agents (uap-core's regexes.yaml), geo_ip (a MaxMind database) or both",
            ));
        }
        Ok(Enrich {
            types: host.event_types("events", &config.events)?,
            agents: config
                .user_agents
                .as_deref()
                .map(Agents::read)
                .transpose()?,
            places: config.geo_ip.as_deref().map(Places::read).transpose()?,
            overwrite: config.overwrite,
            user_agent: host.field("user_agent")?,
            user_agent_parsed: host.field("user_agent_parsed")?,
            ip_address: host.field("ip_address")?,
            geo_ip: host.field("geo_ip")?,
        })
    }

    fn event(&mut self, event: &mut Event<'_>) -> Result<(), Error> {
        if !self.types.contains(&event.event_type()) {
            return Ok(());
        }
        let wanted = |event: &Event<'_>, to| self.overwrite || event.get(to).is_none();
        if let Some(agents) = &mut self.agents
            && let Some(text) = event.str(self.user_agent)
            && wanted(event, self.user_agent_parsed)
            && let Some(parsed) = agents.parse(text)?
        {
            event.set(self.user_agent_parsed, Value::Json(parsed))?;
        }
        if let Some(places) = &self.places
            && let Some(address) = event.str(self.ip_address)
            && wanted(event, self.geo_ip)
            && let Some(place) = places.of(address)?
        {
            event.set(self.geo_ip, Value::Json(&place))?;
        }
        Ok(())
    }
}

export!(Enrich);

#[cfg(test)]
mod tests;
