-- Events, kinds of event and mean duration of each user since a time, in one query; users without a log have zeros.
CREATE OR REPLACE FUNCTION user_figures(user_ids text[], since timestamp)
RETURNS TABLE ("userId" text, events bigint, kinds bigint, "meanDuration" double precision)
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = public, pg_temp
AS $$
  SELECT asked.id, count(log.id), count(DISTINCT log."eventType"), avg(log.duration)
    FROM (SELECT DISTINCT unnest(user_ids)) AS asked (id)
    LEFT JOIN "BehaviorLog" AS log ON log."userId" = asked.id AND log."timestamp" >= since
   GROUP BY asked.id
$$;
