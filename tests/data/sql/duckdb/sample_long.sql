SELECT count(f."value") FILTER (WHERE f."field_id" = '7'), count(*) FILTER (WHERE 1 = 0 AND f."field_id" = '7'), min(lpad(CAST(80 - length(left(CAST(f."value" AS TEXT), 80)) AS TEXT), 3, '0') || ' ' || hex(left(CAST(f."council_id" AS TEXT), 80)) || ' ' || hex(left(CAST(f."value" AS TEXT), 80))) FILTER (WHERE 1 = 0 AND f."field_id" = '7'), count(f."value") FILTER (WHERE f."field_id" = '9'), count(*) FILTER (WHERE 1 = 0 AND f."field_id" = '9'), min(lpad(CAST(80 - length(left(CAST(f."value" AS TEXT), 80)) AS TEXT), 3, '0') || ' ' || hex(left(CAST(f."council_id" AS TEXT), 80)) || ' ' || hex(left(CAST(f."value" AS TEXT), 80))) FILTER (WHERE 1 = 0 AND f."field_id" = '9')
FROM (SELECT f."council_id", f."field_id", f."value", f."year_id"
FROM "figure" AS f
 LIMIT 10000) AS f
WHERE f."field_id" IN ('7', '9')
