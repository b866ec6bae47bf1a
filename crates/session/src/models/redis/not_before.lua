-- Makes tokens below `min_pv` stale: of a user or of a role. A not-before only grows.
local key = ns .. ':mark:' .. a.kind .. ':' .. a.name
local refused = open_store()
if refused then
  return refused
end
if a.min_pv <= tonumber(redis.call('GET', key) or 0) then
  return 0
end
-- As long as a token below it can be alive, or on its way to be signed.
local ends = st.latest_expiry + TWICE_LEEWAY
redis.call('SET', key, int(a.min_pv), 'PX', int(math.max(ends - a.now, LATE)))
revoke(ends, a.kind, a.name, 'min_pv', int(a.min_pv))
return 1
