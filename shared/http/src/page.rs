//! Pages of lists.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use ud_http::Problem;
use ud_kernel::{Code, Cursor, FieldError};
use utoipa::IntoParams;

/// Items on a page unless the client asks for another number.
const DEFAULT_LIMIT: u32 = 50;
/// Most items on a page.
const MAX_LIMIT: u32 = 100;

/// Query of a list without filters.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Items on the page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(max_length = 512)]
    pub cursor: Option<String>,
}

/// Which page is wanted: where it begins, and how long it is. `P` is a position in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest<P> {
    /// The last item of the page before.
    pub after: Option<P>,
    /// Items on the page.
    limit: u32,
}

/// A page: its items, and where the next one begins.
#[derive(Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// In the order of the list.
    pub items: Vec<T>,
    /// `cursor` of the next page; none after the last.
    pub next_cursor: Option<String>,
}

impl<P: Serialize + DeserializeOwned> PageRequest<P> {
    /// Reads what the client sent.
    ///
    /// # Errors
    /// 400 `request.invalid-parameter`, 400 `request.invalid-cursor`.
    pub fn new(limit: Option<u32>, cursor: Option<&str>) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            let detail = format!("between 1 and {MAX_LIMIT}");
            let error = FieldError::new("limit", "parameter.invalid", detail);
            return Err(Problem::new(Code::RequestInvalidParameter).field(error));
        }
        let after = cursor
            .map(|text| Cursor::<P>::decode(text).map(|cursor| cursor.0))
            .transpose()
            .map_err(|_| Problem::new(Code::RequestInvalidCursor))?;
        Ok(Self { after, limit })
    }

    /// How many items to read: one more than the page has, to see whether another follows.
    #[must_use]
    pub fn to_read(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The page of what was read; `position` tells where an item stands.
    #[must_use]
    pub fn page<T>(&self, mut items: Vec<T>, position: impl FnOnce(&T) -> P) -> Page<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more);
        let next_cursor = last.map(|item| Cursor(position(item)).encode());
        Page { items, next_cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_tells_where_the_next_begins() {
        let first = PageRequest::<i64>::new(Some(2), None).unwrap();
        assert_eq!((first.after, first.to_read()), (None, 3));
        let page = first.page(vec![1, 2, 3], |n| *n);
        assert_eq!(page.items, [1, 2]);
        let next = PageRequest::new(Some(2), page.next_cursor.as_deref()).unwrap();
        assert_eq!(next.after, Some(2));
        assert_eq!(next.page(vec![3, 4], |n| *n).next_cursor, None);
    }

    #[test]
    fn limits_and_cursors_have_a_form() {
        for limit in [0, 101] {
            let problem = PageRequest::<i64>::new(Some(limit), None).unwrap_err();
            assert_eq!(problem.code(), Code::RequestInvalidParameter);
        }
        let problem = PageRequest::<i64>::new(None, Some("x")).unwrap_err();
        assert_eq!(problem.code(), Code::RequestInvalidCursor);
    }
}
