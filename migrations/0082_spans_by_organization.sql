-- Why: on a cluster the spans of one organization were read on every node, because the subquery for the link before did not
-- name the organization. A window of each organization's links does, and says the same: a link's usage begins where the
-- link before it ended, whatever ended later than its beginning.
-- Locks: the view, for a moment.

create or replace view metering.customer_spans as
select
  organization_id, stripe_customer_id,
  coalesce(
    max(ended_at) over (
      partition by organization_id order by linked_at rows between unbounded preceding and 1 preceding
    ),
    '-infinity'
  ) as starts_at,
  coalesce(ended_at, 'infinity') as ends_at
from metering.customer_links
where customer_deleted_at is null;
