SELECT CAST(f."year" AS TEXT) AS "f.""year""", m."m0", sum(CASE WHEN length(f."debt"::text) <= 1000 AND f."debt"::text ~ '^[ \t\r\n]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?[ \t\r\n]*$' THEN f."debt"::text::numeric END), count(CASE WHEN length(f."debt"::text) <= 1000 AND f."debt"::text ~ '^[ \t\r\n]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?[ \t\r\n]*$' THEN f."debt"::text::numeric END), count(f."debt"), sum(CASE WHEN length(f."reserves"::text) <= 1000 AND f."reserves"::text ~ '^[ \t\r\n]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?[ \t\r\n]*$' THEN f."reserves"::text::numeric END), count(CASE WHEN length(f."reserves"::text) <= 1000 AND f."reserves"::text ~ '^[ \t\r\n]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?[ \t\r\n]*$' THEN f."reserves"::text::numeric END), count(f."reserves")
FROM "site"."budget" AS f LEFT OUTER JOIN (SELECT "id" AS key, CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END + CASE WHEN ("slug" IN ('leeds', 'st-helen''s', '50%')) THEN 2 ELSE 0 END AS m0
FROM "council"
WHERE "id" IS NOT NULL
 LIMIT ALL OFFSET '0') AS m ON m."key" = f."council_id" GROUP BY f."year", m."m0"
