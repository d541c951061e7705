-- The same rating in DuckDB: every event of {folder}/usage with its charge, cost and why, into Parquet under {out}.
-- Unrolled over the five pieces of 48 hours and the two discounts that the benchmark's book has.
COPY (
WITH cost AS (
  SELECT carrier_id, service, call_type, country, valid_from, valid_to, cost_id, unit, unit_price_micros, block_units,
    increment_units, digits, rounding, markup_num, markup_den, markup_digits
  FROM read_parquet('{folder}/book/price_carrier_key.parquet')
),
event AS (
  SELECT *,
    CASE WHEN service = 'voice' THEN duration_s = 0 OR coalesce(call_outcome NOT IN ('answered', 'dropped'), false)
         WHEN service IN ('sms', 'mms') THEN coalesce(call_outcome = 'failed', false) ELSE false END AS is_zero_by_outcome,
    CAST(started_at AT TIME ZONE '{time_zone}' AS DATE) AS local_date,
    CASE WHEN destination_class = 'e164' THEN CAST(rpad(substr(destination, 2), 15, '0') AS BIGINT) END AS called,
    CASE WHEN destination_class = 'e164' THEN 'E' || left(rpad(substr(destination, 2), 15, '0'),
      {digits}[CAST(substr(destination, 2, 3) AS INT) + 1]) END AS called_bucket,
    CASE WHEN NOT roaming AND destination_class = 'e164' THEN substr(destination, 2, 3) END AS called_range,
    CASE WHEN service = 'data' THEN rating_group ELSE 'none' END AS rate_group
  FROM read_parquet('{folder}/usage/*.parquet')
),
owned AS (
  SELECT event.*, line.subscription_id, line.account_id, line.contract_id, line.plan_id, line.line_state,
    account.customer_id, account.currency AS account_currency, fact.is_student, fact.customer_since
  FROM event
  LEFT JOIN read_parquet('{folder}/ref_subscription/*.parquet') line
    ON line.msisdn = event.msisdn AND line.valid_from <= event.started_at AND event.started_at < line.valid_to
  LEFT JOIN read_parquet('{folder}/ref_account/*.parquet') account ON account.account_id = line.account_id
  LEFT JOIN read_parquet('{folder}/ref_customer_fact/*.parquet') fact
    ON fact.customer_id = account.customer_id AND fact.valid_from <= event.started_at AND event.started_at < fact.valid_to
),
placed AS (
  SELECT owned.* EXCLUDE (call_type), place.prefix,
    CASE WHEN service = 'data' THEN 'home' ELSE place.zone_id END AS zone_id,
    CASE WHEN roaming THEN abroad.roaming_zone ELSE 'home' END AS roaming_zone,
    CASE WHEN own.bucket IS NOT NULL THEN 'on_net' WHEN called_range IS NOT NULL THEN call_type END AS call_type
  FROM owned
  LEFT JOIN read_parquet('{folder}/book/price_destination.parquet') place
    ON place.bucket = called_bucket AND place.lo <= called AND called < place.hi
    AND place.valid_from <= started_at AND started_at < place.valid_to
  LEFT JOIN read_parquet('{folder}/book/price_own_range.parquet') own
    ON own.bucket = called_range AND own.lo <= called AND called < own.hi
  LEFT JOIN read_parquet('{folder}/book/price_roaming_zone.parquet') abroad ON abroad.country = roaming_country
),
matched AS (
  SELECT placed.*, known.plan_id AS known_plan,
    placed.zone_id IS NOT NULL AND placed.roaming_zone IS NOT NULL AS is_placed,
    is_zero_by_outcome OR coalesce(placed.call_type = 'on_net', false)
      OR coalesce(zone.kind IN ('toll_free', 'emergency', 'special'), false) AS is_free_of_carriers,
    r.rate_id, r.unit AS r_unit, r.unit_price_micros AS r_price, r.block_units AS r_block,
    r.increment_units AS r_increment, r.connect_fee_micros AS r_fee, r.minimum_micros AS r_minimum,
    r.maximum_micros AS r_maximum, r.band_set, r.is_discountable, r.is_zero_rated, r.digits AS r_digits,
    r.rounding AS r_rounding, r.tax_category AS r_tax,
    CASE WHEN NOT is_free_of_carriers AND NOT roaming
      THEN CASE WHEN c.cost_id IS NOT NULL THEN c ELSE d END END AS cost_row
  FROM placed
  LEFT JOIN read_parquet('{folder}/book/price_zone.parquet') zone ON zone.zone_id = placed.zone_id
  LEFT JOIN read_parquet('{folder}/book/price_plan.parquet') known ON known.plan_id = placed.plan_id
  LEFT JOIN read_parquet('{folder}/book/price_rate_key.parquet') r
    ON r.plan_id = known.plan_id AND r.service = placed.service AND r.zone_id = placed.zone_id
    AND r.roaming_zone = placed.roaming_zone AND r.rating_group = rate_group
    AND r.valid_from <= started_at AND started_at < r.valid_to
  LEFT JOIN cost c
    ON c.carrier_id = placed.carrier_id AND c.service = placed.service
    AND c.call_type = CASE WHEN placed.service = 'data' THEN 'any' ELSE placed.call_type END
    AND c.country = CASE WHEN placed.service = 'data' THEN '*' ELSE destination_country END
    AND c.valid_from <= started_at AND started_at < c.valid_to
  LEFT JOIN cost d
    ON d.carrier_id = placed.carrier_id AND d.service = placed.service
    AND d.call_type = CASE WHEN placed.service = 'data' THEN 'any' ELSE placed.call_type END
    AND d.country = '*' AND d.valid_from <= started_at AND started_at < d.valid_to
),
costed AS (
  SELECT *,
    steps(used(cost_row.unit, duration_s, volume_bytes), cost_row.increment_units) * cost_row.unit_price_micros AS exact_cost,
    rounded(exact_cost, cost_row.block_units, cost_row.digits, cost_row.rounding) AS cost_micros,
    CASE WHEN is_free_of_carriers THEN 'not_applicable'
         WHEN cost_micros IS NULL THEN 'no_carrier_rate' ELSE 'costed' END AS wholesale_status,
    r_unit IS NULL AND is_placed AND cost_micros IS NOT NULL AND cost_row.markup_num IS NOT NULL AS is_marked_up,
    r_unit IS NOT NULL OR is_marked_up AS has_rate
  FROM matched
),
termed AS (
  SELECT *,
    CASE WHEN is_marked_up THEN cost_row.unit ELSE r_unit END AS rate_unit,
    CASE WHEN is_marked_up THEN cost_row.unit_price_micros ELSE r_price END AS price,
    CASE WHEN is_marked_up THEN cost_row.block_units ELSE r_block END AS block,
    CASE WHEN is_marked_up THEN cost_row.increment_units ELSE r_increment END AS increment,
    CASE WHEN is_marked_up THEN 0 ELSE r_fee END AS fee,
    CASE WHEN is_marked_up THEN cost_row.markup_digits ELSE r_digits END AS rate_digits,
    CASE WHEN is_marked_up THEN cost_row.rounding ELSE r_rounding END AS rate_rounding,
    is_zero_by_outcome OR coalesce(is_zero_rated, false) AS is_zero,
    NOT is_zero AND band_set IS NOT NULL AS is_banded,
    CASE WHEN is_zero_by_outcome THEN 0 ELSE steps(used(rate_unit, duration_s, volume_bytes), increment) END AS charged_units,
    CASE WHEN is_zero_by_outcome
      THEN coalesce(rate_unit, CASE service WHEN 'voice' THEN 'second' WHEN 'data' THEN 'byte' ELSE 'message' END)
      ELSE rate_unit END AS unit,
    epoch_us(started_at) // 1000000 AS start_s
  FROM costed
),
cut AS (
  SELECT termed.*, day.edge_s, day.band_id, day.factor_num,
    greatest(0, least(start_s + charged_units, edge_s[2]) - greatest(start_s, edge_s[1])) AS u1,
    greatest(0, least(start_s + charged_units, edge_s[3]) - greatest(start_s, edge_s[2])) AS u2,
    greatest(0, least(start_s + charged_units, edge_s[4]) - greatest(start_s, edge_s[3])) AS u3,
    greatest(0, least(start_s + charged_units, edge_s[5]) - greatest(start_s, edge_s[4])) AS u4,
    greatest(0, least(start_s + charged_units, edge_s[6]) - greatest(start_s, edge_s[5])) AS u5,
    CAST(edge_s[2] <= start_s AS INT) + CAST(edge_s[3] <= start_s AS INT) + CAST(edge_s[4] <= start_s AS INT)
      + CAST(edge_s[5] <= start_s AS INT) + CAST(edge_s[6] <= start_s AS INT) + 1 AS first_piece,
    first_piece - 1 + CAST(u1 > 0 AS INT) + CAST(u2 > 0 AS INT) + CAST(u3 > 0 AS INT) + CAST(u4 > 0 AS INT)
      + CAST(u5 > 0 AS INT) AS last_piece,
    NOT is_banded OR coalesce(u1 + u2 + u3 + u4 + u5 = charged_units, false) AS is_cut,
    CASE WHEN is_banded THEN {factor_den} WHEN is_marked_up THEN cost_row.markup_den ELSE 1 END AS f_den,
    CASE WHEN is_marked_up THEN cost_row.markup_num ELSE 1 END AS one_factor,
    NOT is_zero AND coalesce(is_discountable AND NOT is_marked_up, false) AS may_discount,
    may_discount AND coalesce(is_student, false) AS is_of_student,
    may_discount AND coalesce(termed.local_date >= customer_since + INTERVAL 12 MONTH, false) AS is_loyal,
    CASE WHEN is_of_student THEN 18 ELSE 1 END * CASE WHEN is_loyal THEN 19 ELSE 1 END AS kept,
    CASE WHEN is_of_student THEN {discount_den} ELSE 1 END * CASE WHEN is_loyal THEN {discount_den} ELSE 1 END AS kept_of
  FROM termed
  LEFT JOIN read_parquet('{folder}/book/price_band_day.parquet') day
    ON day.band_set = CASE WHEN is_banded THEN termed.band_set END AND day.local_date = termed.local_date
),
priced AS (
  SELECT *,
    CASE WHEN is_banded THEN u1 * factor_num[1] + u2 * factor_num[2] + u3 * factor_num[3] + u4 * factor_num[4]
      + u5 * factor_num[5] ELSE charged_units * one_factor END * price AS usage_micros,
    block * f_den AS scale,
    usage_micros + scale * fee AS summed,
    CASE WHEN r_minimum IS NULL OR is_marked_up THEN summed ELSE greatest(summed, scale * r_minimum) END AS at_least,
    CASE WHEN r_maximum IS NULL OR is_marked_up THEN at_least ELSE least(at_least, scale * r_maximum) END AS held,
    CASE WHEN is_zero THEN 0 ELSE rounded(held, scale, rate_digits, rate_rounding) END AS list_micros,
    CASE WHEN is_zero THEN 0 ELSE rounded(held * kept, scale * kept_of, rate_digits, rate_rounding) END AS charge_micros,
    CASE WHEN subscription_id IS NULL THEN 'no_subscriber'
         WHEN line_state <> 'active' THEN 'suspended_line'
         WHEN known_plan IS NULL THEN 'no_plan'
         WHEN NOT is_placed THEN 'no_zone'
         WHEN NOT is_zero AND has_rate AND NOT is_cut THEN 'no_band'
         WHEN NOT is_zero_by_outcome AND NOT has_rate THEN 'no_rate'
         WHEN account_currency IS DISTINCT FROM '{currency}' THEN 'currency_mismatch'
         WHEN charge_micros IS NULL THEN 'amount_overflow' END AS suspense_reason,
    suspense_reason IS NULL AS is_priced
  FROM cut
)
SELECT 1::BIGINT AS rating_no, batch_no, source, event_id, event_hash, 1 AS revision, 'original' AS kind,
  CAST(NULL AS INT) AS corrects,
  CASE WHEN NOT is_priced THEN 'suspended' WHEN is_zero THEN 'zero_rated' ELSE 'rated' END AS retail_status,
  suspense_reason, wholesale_status, started_at, service, rating_group, technology, direction, slice_id, call_outcome,
  duration_s, volume_bytes, msisdn, destination, destination_country, roaming_country, carrier_id, call_type,
  account_id, customer_id, subscription_id, contract_id, plan_id, zone_id, roaming_zone, prefix,
  CASE WHEN is_priced THEN rate_id END AS rate_id,
  CASE WHEN is_priced AND has_rate THEN CASE WHEN is_marked_up THEN 'markup' ELSE 'rate' END END AS price_source,
  '{currency}' AS currency,
  CASE WHEN is_priced THEN charged_units END AS charged_units,
  CASE WHEN is_priced THEN unit END AS unit,
  CASE WHEN is_priced THEN block END AS block_units,
  CASE WHEN is_priced THEN increment END AS initial_units,
  CASE WHEN is_priced THEN increment END AS increment_units,
  CASE WHEN is_priced THEN price END AS unit_price_micros,
  CASE WHEN is_priced THEN fee END AS connect_fee_micros,
  CASE WHEN is_priced AND NOT is_marked_up THEN r_minimum END AS minimum_micros,
  CASE WHEN is_priced AND NOT is_marked_up THEN r_maximum END AS maximum_micros,
  CASE WHEN is_priced THEN CASE WHEN is_banded THEN [u1, u2, u3, u4, u5][first_piece:last_piece]
    WHEN charged_units > 0 THEN [charged_units] ELSE [] END END AS piece_units,
  CASE WHEN is_priced THEN CASE WHEN is_banded THEN band_id[first_piece:last_piece]
    WHEN charged_units > 0 THEN [CASE WHEN is_marked_up THEN 'markup' ELSE 'flat' END] ELSE [] END END AS piece_band,
  CASE WHEN is_priced THEN CASE WHEN is_banded THEN [price, price, price, price, price][first_piece:last_piece]
    WHEN charged_units > 0 THEN [price] ELSE [] END END AS piece_price_micros,
  CASE WHEN is_priced THEN CASE WHEN is_banded THEN factor_num[first_piece:last_piece]
    WHEN charged_units > 0 THEN [one_factor] ELSE [] END END AS piece_factor_num,
  CASE WHEN is_priced THEN f_den END AS factor_den,
  CASE WHEN is_priced THEN CASE WHEN is_of_student AND is_loyal THEN ['student', 'loyalty']
    WHEN is_of_student THEN ['student'] WHEN is_loyal THEN ['loyalty'] ELSE [] END END AS discount_ids,
  CASE WHEN is_priced THEN kept END AS discount_num,
  CASE WHEN is_priced THEN kept_of END AS discount_den,
  CASE WHEN is_priced THEN CASE WHEN is_zero THEN 0 ELSE CAST(held * kept AS DECIMAL(38,0)) END END AS numerator,
  CASE WHEN is_priced THEN CASE WHEN is_zero THEN 1 ELSE CAST(scale * kept_of AS DECIMAL(38,0)) END END AS denominator,
  CASE WHEN is_priced THEN rate_digits END AS digits,
  CASE WHEN is_priced THEN rate_rounding END AS rounding,
  CASE WHEN is_priced THEN amount(list_micros) END AS list_price,
  CASE WHEN is_priced THEN amount(charge_micros) END AS charge,
  CASE WHEN is_priced THEN CASE WHEN is_marked_up THEN 'standard' ELSE coalesce(r_tax, 'standard') END END AS tax_category,
  cost_row.cost_id AS cost_id,
  CASE WHEN cost_micros IS NOT NULL THEN CAST(exact_cost AS DECIMAL(38,0)) END AS cost_numerator,
  CASE WHEN cost_micros IS NOT NULL THEN CAST(cost_row.block_units AS DECIMAL(38,0)) END AS cost_denominator,
  amount(cost_micros) AS cost,
  CASE WHEN is_priced THEN amount(charge_micros) - amount(cost_micros) END AS margin,
  1::BIGINT AS pricebook_version, 1::BIGINT AS snapshot_id, event_month
FROM priced
) TO '{out}' (FORMAT parquet, PER_THREAD_OUTPUT);
