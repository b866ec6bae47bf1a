-- The list of revocations: incarnation, whether it goes on from where the reader was, entries, and how long ago a store that had gone
-- back last began anew (-1: never).
local refused = open_store()
if refused then
  return refused
end
local from = '-'
local resumed = a.known ~= nil and a.known.incarnation == st.incarnation
if resumed then
  from = '(' .. int(a.known.ms) .. '-' .. int(a.known.seq)
end
return { st.incarnation, resumed and 1 or 0, redis.call('XRANGE', revocations_key, from, '+', 'COUNT', FEED_PAGE),
  renewed_ago() or -1 }
