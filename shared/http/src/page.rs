//! Pages of lists: what the client asks for, and where the next page begins.

use serde::{Serialize, de::DeserializeOwned};
use ud_kernel::{Code, Cursor, FieldError};

use crate::Problem;

/// Items on a page unless the client asks for another number.
const DEFAULT_LIMIT: u32 = 50;
/// Most items on a page of most lists.
const MAX_LIMIT: u32 = 100;

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
    /// Reads what the client sent: 1 to 100 items, 50 unless it says otherwise.
    ///
    /// # Errors
    /// 400 `request.invalid-parameter`, 400 `request.invalid-cursor`.
    pub fn new(limit: Option<impl Into<i64>>, cursor: Option<&str>) -> Result<Self, Problem> {
        Self::up_to(MAX_LIMIT, limit, cursor)
    }

    /// Reads what the client sent to a list whose pages have at most `most` items.
    ///
    /// # Errors
    /// 400 `request.invalid-parameter`, 400 `request.invalid-cursor`.
    pub fn up_to(
        most: u32,
        limit: Option<impl Into<i64>>,
        cursor: Option<&str>,
    ) -> Result<Self, Problem> {
        let limit = limit.map_or(i64::from(DEFAULT_LIMIT), Into::into);
        let limit = u32::try_from(limit).unwrap_or_default();
        if !(1..=most).contains(&limit) {
            let detail = format!("must be 1 to {most}");
            let error = FieldError::new("limit", "parameter.invalid", detail);
            return Err(Problem::new(Code::REQUEST_INVALID_PARAMETER).field(error));
        }
        let after = cursor
            .map(|text| Cursor::<P>::decode(text).map(|cursor| cursor.0))
            .transpose()
            .map_err(|_| Problem::new(Code::REQUEST_INVALID_CURSOR))?;
        Ok(Self { after, limit })
    }

    /// Returns how many items to read: one more than the page has, to see whether another follows.
    #[must_use]
    pub fn to_read(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// Makes a page of what was read; `position` says where an item stands in the list.
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
        for limit in [0, 101, -1, i64::MIN, i64::from(u32::MAX) + 2, i64::MAX] {
            let problem = PageRequest::<i64>::new(Some(limit), None).unwrap_err();
            assert_eq!(problem.code(), Code::REQUEST_INVALID_PARAMETER, "{limit}");
        }
        let longer = PageRequest::<i64>::up_to(200, Some(200), None).unwrap();
        assert_eq!(longer.to_read(), 201);
        assert_eq!(
            PageRequest::<i64>::new(None::<u8>, None).unwrap().to_read(),
            51
        );
        let problem = PageRequest::<i64>::new(None::<u8>, Some("x")).unwrap_err();
        assert_eq!(problem.code(), Code::REQUEST_INVALID_CURSOR);
    }
}
