-- Ends sessions of one user: one (`session_id`), those below `min_epoch`, or all, less `except`. Answers how
-- many were living.
local refused = open_store()
if refused then
  return refused
end
local ids
if a.session_id then
  ids = { a.session_id }
else
  ids = redis.call('ZRANGE', user_key(a.user_id), 0, -1)
end

if a.min_epoch then
  local key = min_epoch_key(a.user_id)
  if a.min_epoch > tonumber(redis.call('GET', key) or 0) then
    redis.call('SET', key, int(a.min_epoch), 'PX', int(st.absolute * 1000 + EPOCH_SLACK))
  end
end

local closed = 0
for _, id in ipairs(ids) do
  local s = load(id)
  if not may_live(s) then
    redis.call('ZREM', user_key(a.user_id), id)
  elseif s.user_id == a.user_id and not (a.min_epoch and s.epoch >= a.min_epoch) then
    if id ~= a.except then
      close(s, 'session_closed', a.reason)
      closed = closed + 1
    elseif a.min_epoch then
      redis.call('HSET', session_key(id), 'epoch', int(a.min_epoch))
    end
  end
end
return closed
