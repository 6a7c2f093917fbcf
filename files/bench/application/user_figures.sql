-- Events, kinds of event and mean duration of each user since a time, in one query; users without a log have zeros.
CREATE OR REPLACE FUNCTION user_figures(user_ids text[], since timestamp)
RETURNS TABLE ("userId" text, events bigint, kinds bigint, "meanDuration" double precision)
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = public, pg_temp
AS $$
  SELECT asked.id, figures.*
    FROM (SELECT DISTINCT unnest(user_ids)) AS asked (id)
   CROSS JOIN LATERAL (
         SELECT count(*), count(DISTINCT "eventType"), avg(duration)
           FROM "BehaviorLog" WHERE "userId" = asked.id AND "timestamp" >= since
         ) AS figures
$$;
