-- The living session of an id, as its flat fields.
open_store()
if not alive(load(a.session_id)) then
  return {}
end
return redis.call('HGETALL', session_key(a.session_id))
