-- The list of revocations: incarnation, whether it goes on from where the reader was, entries.
open_store()
local from = '-'
local resumed = a.known ~= nil and a.known.incarnation == st.incarnation
if resumed then
  from = '(' .. int(a.known.ms) .. '-' .. int(a.known.seq)
end
return { st.incarnation, resumed and 1 or 0, redis.call('XRANGE', revocations_key, from, '+', 'COUNT', FEED_PAGE) }
