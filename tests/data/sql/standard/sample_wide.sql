SELECT count(f."debt"), count(*) FILTER (WHERE 1 = 0), min(NULL) FILTER (WHERE 1 = 0), count(f."reserves"), count(*) FILTER (WHERE 1 = 0), min(NULL) FILTER (WHERE 1 = 0)
FROM (SELECT f."council_id", f."debt", f."reserves", f."year"
FROM "site"."budget" AS f
 LIMIT 10000) AS f
