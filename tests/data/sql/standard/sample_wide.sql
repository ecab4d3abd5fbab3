SELECT count(f."debt"), count(CASE WHEN 1 = 0 THEN 1 END), min(CASE WHEN 1 = 0 THEN NULL END), count(f."reserves"), count(CASE WHEN 1 = 0 THEN 1 END), min(CASE WHEN 1 = 0 THEN NULL END)
FROM (SELECT f."council_id", f."debt", f."reserves", f."year"
FROM "site"."budget" AS f
 LIMIT 10000) AS f
