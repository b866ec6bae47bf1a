-- What became of claims. With `free_at` they are given back, to be claimed again from then on; without it
-- the destination has them, and what every destination has is cut off.
local group = a.destination
local leases_key = outbox_key .. ':leases:' .. group
if redis.call('EXISTS', outbox_key) == 0 then
  return 0
end
for _, claim in ipairs(a.claims) do
  if a.free_at then
    local lease = redis.call('HGET', leases_key, claim.id)
    local attempts, holder
    if lease then
      attempts, holder = lease:match('^%d+|(%d+)|(.*)$')
    end
    if holder == claim.lease then
      redis.call('HSET', leases_key, claim.id, int(a.free_at) .. '|' .. attempts .. '|')
    end
  else
    redis.call('XACK', outbox_key, group, claim.id)
    redis.call('HDEL', leases_key, claim.id)
  end
end
return 1
