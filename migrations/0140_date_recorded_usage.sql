-- Why: on a cluster the coordinator sends the times of a statement to the node as text, in the DateStyle of the session that
-- called. A program that writes dates in another style than the node reads had its usage dated hours away, or in another month.
-- Locks: nothing; one function.

alter function metering.record_usage(uuid, text, bigint, timestamptz, text) set datestyle = 'ISO';
