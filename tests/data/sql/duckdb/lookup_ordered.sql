SELECT CAST("id" AS TEXT) AS """id""", CAST("label" AS TEXT) AS """label"""
FROM "site"."year"
WHERE "id" IS NOT NULL AND "label" IS NOT NULL AND (
lang = 'en'
) ORDER BY "start" NULLS FIRST, "label", "id"
