//! `nonstop cost`: the month's bill from the configuration, and from renditions where there are any.

use super::args::Places;
use super::failure::colors;
use super::{Env, Exit, Failure, ask, width};
use crate::config;
use crate::cost::{Prices, Usage, bill};
use std::io;

pub(super) fn cost(places: &Places, json: bool, env: Env) -> Result<Exit, Failure> {
    let config = config::load(&places.config)?;
    let at_most = Usage::at_most(&config);
    let bill = bill(&at_most, None, &Prices::known());
    match json {
        true => ask::print_json(&bill),
        false => ask::print(&bill.text(width(), colors(&io::stdout(), env))),
    }
}
