SELECT count(f."debt"), count(*) FILTER (WHERE 1 = 0), min(lpad(CAST(80 - length(left(CAST(f."debt" AS TEXT), 80)) AS TEXT), 3, '0') || ' ' || hex(left(CAST(f."council_id" AS TEXT), 80)) || ' ' || hex(left(CAST(f."debt" AS TEXT), 80))) FILTER (WHERE 1 = 0), count(f."reserves"), count(*) FILTER (WHERE 1 = 0), min(lpad(CAST(80 - length(left(CAST(f."reserves" AS TEXT), 80)) AS TEXT), 3, '0') || ' ' || hex(left(CAST(f."council_id" AS TEXT), 80)) || ' ' || hex(left(CAST(f."reserves" AS TEXT), 80))) FILTER (WHERE 1 = 0)
FROM (SELECT f."council_id", f."debt", f."reserves", f."year"
FROM "site"."budget" AS f
 LIMIT 10000) AS f
