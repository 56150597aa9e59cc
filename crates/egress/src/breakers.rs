//! Circuit breakers: how much at once, for each destination and for all together.

use std::sync::Arc;

use crate::{
    config::{Breakers, Thresholds},
    count::{Counter, Gauge},
};

/// What is under way, and what was refused.
#[derive(Debug, Default)]
pub(crate) struct Load {
    connections: Gauge,
    pending: Gauge,
    requests: Gauge,
    retries: Gauge,
    connections_refused: Counter,
    pending_refused: Counter,
    requests_refused: Counter,
    retries_refused: Counter,
}

/// What a place is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Resource {
    Connection,
    Pending,
    Request,
    Retry,
}

/// A breaker that is open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Tripped {
    pub resource: Resource,
    /// Whether it is the one for all destinations together.
    pub overall: bool,
}

/// Where the counts for all destinations and for one meet.
#[derive(Clone, Debug)]
pub(crate) struct Loads {
    pub overall: Arc<Load>,
    pub destination: Arc<Load>,
}

/// One taken place; dropped, it is given back.
#[derive(Debug)]
pub(crate) struct Place {
    loads: Loads,
    resource: Resource,
}

impl Loads {
    /// Takes a place under both limits, or none.
    pub(crate) fn enter(&self, resource: Resource, breakers: &Breakers) -> Result<Place, Tripped> {
        if !self.overall.take(resource, &breakers.overall) {
            return Err(Tripped { resource, overall: true });
        }
        if !self.destination.take(resource, &breakers.destination) {
            self.overall.gauge(resource).give(1);
            return Err(Tripped { resource, overall: false });
        }
        Ok(Place { loads: self.clone(), resource })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.loads.overall.gauge(self.resource).give(1);
        self.loads.destination.gauge(self.resource).give(1);
    }
}

impl Load {
    fn take(&self, resource: Resource, limits: &Thresholds) -> bool {
        let taken = self.gauge(resource).take(self.most(resource, limits));
        if !taken {
            self.refused(resource).add(1);
        }
        taken
    }

    /// The limit of this moment: a retry budget follows the requests that are under way.
    fn most(&self, resource: Resource, limits: &Thresholds) -> u64 {
        match (resource, limits.retry_budget) {
            (Resource::Connection, _) => limits.connections.into(),
            (Resource::Pending, _) => limits.pending.into(),
            (Resource::Request, _) => limits.requests.into(),
            (Resource::Retry, None) => limits.retries.into(),
            (Resource::Retry, Some(budget)) => {
                let share = self.requests.get().saturating_mul(budget.percent.into()) / 100;
                share.max(budget.min_concurrency.into())
            }
        }
    }

    pub(crate) const fn gauge(&self, resource: Resource) -> &Gauge {
        match resource {
            Resource::Connection => &self.connections,
            Resource::Pending => &self.pending,
            Resource::Request => &self.requests,
            Resource::Retry => &self.retries,
        }
    }

    pub(crate) const fn refused(&self, resource: Resource) -> &Counter {
        match resource {
            Resource::Connection => &self.connections_refused,
            Resource::Pending => &self.pending_refused,
            Resource::Request => &self.requests_refused,
            Resource::Retry => &self.retries_refused,
        }
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        Resource::ALL.iter().all(|resource| self.gauge(*resource).get() == 0)
    }

    /// Whether the breaker is open, and how many places remain.
    pub(crate) fn remaining(&self, resource: Resource, limits: &Thresholds) -> u64 {
        self.most(resource, limits).saturating_sub(self.gauge(resource).get())
    }
}

impl Resource {
    pub(crate) const ALL: [Self; 4] = [Self::Connection, Self::Pending, Self::Request, Self::Retry];

    /// The word for people.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Connection => "connections",
            Self::Pending => "pending requests",
            Self::Request => "requests",
            Self::Retry => "retries",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RetryBudget;

    fn loads() -> Loads {
        Loads { overall: Arc::default(), destination: Arc::default() }
    }

    fn breakers(overall: u32, destination: u32) -> Breakers {
        let all = |most| Thresholds {
            connections: most,
            pending: most,
            requests: most,
            retries: most,
            ..Thresholds::default()
        };
        Breakers { overall: all(overall), destination: all(destination) }
    }

    #[test]
    fn each_limit_holds_by_itself_and_places_come_back() {
        let one = loads();
        let other = Loads { overall: Arc::clone(&one.overall), destination: Arc::default() };
        let breakers = breakers(3, 2);
        for resource in Resource::ALL {
            let places = [one.enter(resource, &breakers).unwrap(), one.enter(resource, &breakers).unwrap()];
            assert_eq!(one.enter(resource, &breakers).unwrap_err(), Tripped { resource, overall: false });
            let third = other.enter(resource, &breakers).unwrap();
            assert_eq!(other.enter(resource, &breakers).unwrap_err(), Tripped { resource, overall: true });
            assert_eq!(one.overall.remaining(resource, &breakers.overall), 0);
            drop((places, third));
            assert_eq!(one.overall.remaining(resource, &breakers.overall), 3);
            assert_eq!(
                (one.destination.refused(resource).get(), one.overall.refused(resource).get()),
                (1, 1)
            );
        }
        assert!(one.overall.is_idle() && one.destination.is_idle());
    }

    #[test]
    fn a_retry_budget_follows_the_requests() {
        let loads = loads();
        let mut breakers = breakers(100, 100);
        breakers.overall.retry_budget = Some(RetryBudget { percent: 20, min_concurrency: 1 });
        let _requests: Vec<_> = (0..10).map(|_| loads.enter(Resource::Request, &breakers).unwrap()).collect();
        let _retries = [loads.enter(Resource::Retry, &breakers), loads.enter(Resource::Retry, &breakers)];
        assert!(loads.enter(Resource::Retry, &breakers).is_err());
    }
}
