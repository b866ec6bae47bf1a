-- Makes tokens of a signing key stale: POST /internal/v1/revoked-keys.
local refused = open_store()
if refused then
  return refused
end
local ms = a['until'] - a.now
if ms <= 0 or not redis.call('SET', revoked_key_key(a.kid), '1', 'NX', 'PX', int(ms)) then
  return 0
end
revoke(a['until'], 'key', a.kid)
return 1
